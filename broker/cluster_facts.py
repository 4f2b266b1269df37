"""What does a cluster say of itself: its release, its clock, and what it lets us do?"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAlreadyExistsError, for_code

from farandole.broker.admin_calls import raise_for_code
from farandole.broker.aiokafka_internals import (
    ApiVersionRequest,
    Request,
    RequestStruct,
    Response,
    new_topic,
    send_admin_request,
    types,
)
from farandole.broker.flexible_types import NO_TAGS, TAGS, TEXT
from farandole.broker.missing_rights import Right
from farandole.broker.topic_metadata import TopicMetadata

_OPERATION_BITS = {
    "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Describe": 8, "DescribeConfigs": 10,
    "AlterConfigs": 11,
}  # fmt: skip
"""The operations of access control lists that we use, by their numbers in the protocol."""
_UNTOLD = -(2**31)
"""What a broker answers that was not asked for operations, or does not know them."""

_PRODUCE, _METADATA, _OFFSET_FETCH, _LIST_TRANSACTIONS = 0, 3, 9, 66
_RELEASES = (
    ((4, 0), _PRODUCE, 12),
    ((3, 0), _LIST_TRANSACTIONS, 0),
    ((2, 8), _METADATA, 10),
    ((2, 5), _OFFSET_FETCH, 7),
)
"""Releases of Kafka with the request, and its version, that each was the first to know."""


async def oldest_release(client: AIOKafkaAdminClient) -> tuple[int, int] | None:
    """Return a release of Kafka that a broker has at least; None if it is older than 2.5. (A broker
    does not tell its release.)"""
    answer = await send_admin_request(client, ApiVersionRequest())
    newest = {key: highest for key, _, highest, *_ in answer.api_versions}
    return next((found for found, key, v in _RELEASES if newest.get(key, -1) >= v), None)


async def clock_skew(client: AIOKafkaAdminClient) -> float:
    """Return by how many seconds the clock of the cluster's controller is before ours; negative if
    it is behind. Raises KafkaError, ClusterAuthorizationFailedError without the right Describe on
    the cluster, and NotImplementedError if no broker knows the request."""
    began = time.time()
    answer = await send_admin_request(client, _DescribeQuorum())
    ended = time.time()
    if answer.error_code:
        raise for_code(answer.error_code)
    ((_, ((_, error, leader, _, _, voters, *_), *_), *_),) = answer.topics
    if error:
        raise for_code(error)
    # Of itself, the leader tells the time of its answer.
    told: int = next(seen for voter, _, seen, *_ in voters if voter == leader)
    return told / 1000 - (began + ended) / 2


async def allowed_operations(
    client: AIOKafkaAdminClient, topics: Collection[str]
) -> Mapping[str, frozenset[str] | None]:
    """Return what we may do with each topic that exists and that we may describe, by the names of
    access control lists; None where the broker does not tell."""
    answer = await send_admin_request(client, TopicMetadata(topics, operations=True))
    return {
        name: None if bits == _UNTOLD else _operation_names(bits)
        for error, name, _, _, _, bits, *_ in answer.topics
        if not error
    }


async def writable_partitions(
    client: AIOKafkaAdminClient, topics: Collection[str]
) -> dict[str, int]:
    """Return the number of partitions of each topic that exists and that we may write. Raises
    NotImplementedError if the broker is older than Kafka 2.8."""
    answer = await send_admin_request(client, TopicMetadata(topics, operations=True))
    return {
        name: len(found)
        for error, name, _, _, found, bits, *_ in answer.topics
        if not error and (bits == _UNTOLD or "Write" in _operation_names(bits))
    }


async def require_creatable(client: AIOKafkaAdminClient, topic: str) -> None:
    """Raise AccessDeniedError if we may not create this topic. Nothing is created."""
    answer = await client.create_topics([new_topic(topic, 1, None, {})], validate_only=True)
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        if error is not TopicAlreadyExistsError:
            right = Right("Create", "topic", name)
            raise_for_code(error, f"creating topics: {name}", message, right)


def _operation_names(bits: int) -> frozenset[str]:
    return frozenset(name for name, bit in _OPERATION_BITS.items() if bits & (1 << bit))


def _replicas() -> Any:
    return types.CompactArray(
        ("replica", types.Int32),
        ("log_end_offset", types.Int64),
        ("last_fetch", types.Int64),
        ("last_caught_up", types.Int64),
        TAGS,
    )


class _DescribeQuorumResponseV1(Response):  # type: ignore[misc]
    API_KEY = 55
    API_VERSION = 1
    SCHEMA = types.Schema(
        ("error_code", types.Int16),
        (
            "topics",
            types.CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    types.CompactArray(
                        ("partition", types.Int32),
                        ("error_code", types.Int16),
                        ("leader", types.Int32),
                        ("leader_epoch", types.Int32),
                        ("high_watermark", types.Int64),
                        ("voters", _replicas()),
                        ("observers", _replicas()),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        TAGS,
    )


class _DescribeQuorumV1(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 55
    API_VERSION = 1
    RESPONSE_TYPE = _DescribeQuorumResponseV1
    SCHEMA = types.Schema(
        (
            "topics",
            types.CompactArray(
                ("topic", TEXT),
                ("partitions", types.CompactArray(("partition", types.Int32), TAGS)),
                TAGS,
            ),
        ),
        TAGS,
    )


class _DescribeQuorum(Request[_DescribeQuorumV1]):  # type: ignore[misc]
    """Asks for the state of the controllers (KIP-595, KIP-836), which aiokafka does not know."""

    API_KEY = 55

    def build(self, struct: Any) -> Any:
        return struct([("__cluster_metadata", [(0, NO_TAGS)], NO_TAGS)], NO_TAGS)
