"""Which topic is it really: the one of before, or another one of the same name?

Kafka gives each topic an id of its own when it is created. Metadata tell it from version 10 on
(Kafka 2.8), and aiokafka speaks version 5: the request is written here. A broker that does not know
it tells no ids.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from farandole.broker.admin_calls import call_until_final
from farandole.broker.aiokafka_internals import (
    Request,
    RequestStruct,
    Response,
    send_admin_request,
    send_consumer_request,
    types,
)
from farandole.broker.flexible_types import NO_TAGS, TAGS, TEXT
from farandole.broker.settings import Settings

_NO_ID = bytes(16)


async def topic_ids(
    client: AIOKafkaAdminClient, settings: Settings, topics: Collection[str]
) -> dict[str, str]:
    """Return Kafka's id of each topic, as Kafka's own tools print it. A topic that does not exist
    is not in the result; it is empty if the broker tells no ids."""
    return await _ids(partial(send_admin_request, client), settings, topics)


async def consumer_topic_ids(
    consumer: AIOKafkaConsumer, settings: Settings, topics: Collection[str]
) -> dict[str, str]:
    """Return the same as `topic_ids`, over a connection that a consumer has already."""
    return await _ids(partial(send_consumer_request, consumer), settings, topics)


async def _ids(
    send: Callable[[Any], Awaitable[Any]], settings: Settings, topics: Collection[str]
) -> dict[str, str]:
    if not topics:
        return {}
    asking = partial(send, _TopicMetadata(sorted(topics)))
    try:
        answer = await call_until_final(asking, settings.deadline, "asking for the topics' ids")
    except NotImplementedError:  # so aiokafka says that the broker is too old
        return {}
    return {
        name: urlsafe_b64encode(id_).rstrip(b"=").decode()
        for error, name, id_, *_ in answer.topics
        if not error and id_ != _NO_ID
    }


class _Uuid(types.AbstractType):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        read: bytes = data.read(16)
        return read


_NUMBERS = types.CompactArray(types.Int32)


class _TopicMetadataResponseV10(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = types.Schema(
        ("throttle_time_ms", types.Int32),
        (
            "brokers",
            types.CompactArray(
                ("node_id", types.Int32),
                ("host", TEXT),
                ("port", types.Int32),
                ("rack", TEXT),
                TAGS,
            ),
        ),
        ("cluster_id", TEXT),
        ("controller_id", types.Int32),
        (
            "topics",
            types.CompactArray(
                ("error_code", types.Int16),
                ("topic", TEXT),
                ("topic_id", _Uuid),
                ("is_internal", types.Boolean),
                (
                    "partitions",
                    types.CompactArray(
                        ("error_code", types.Int16),
                        ("partition", types.Int32),
                        ("leader", types.Int32),
                        ("leader_epoch", types.Int32),
                        ("replicas", _NUMBERS),
                        ("isr", _NUMBERS),
                        ("offline_replicas", _NUMBERS),
                        TAGS,
                    ),
                ),
                ("authorized_operations", types.Int32),
                TAGS,
            ),
        ),
        ("cluster_authorized_operations", types.Int32),
        TAGS,
    )


class _TopicMetadataV10(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _TopicMetadataResponseV10
    SCHEMA = types.Schema(
        ("topics", types.CompactArray(("topic_id", _Uuid), ("topic", TEXT), TAGS)),
        ("allow_auto_topic_creation", types.Boolean),
        ("include_cluster_authorized_operations", types.Boolean),
        ("include_topic_authorized_operations", types.Boolean),
        TAGS,
    )


class _TopicMetadata(Request[_TopicMetadataV10]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, struct: Any) -> Any:
        asked: list[Any] = [(_NO_ID, topic, NO_TAGS) for topic in self._topics]
        return struct(asked, False, False, False, NO_TAGS)
