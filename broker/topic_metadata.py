"""How is Kafka asked what metadata of version 10 tell of a topic?

Kafka 2.8 and later know it; aiokafka speaks version 5.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from farandole.broker.aiokafka_internals import Request, RequestStruct, Response, types
from farandole.broker.flexible_types import NO_TAGS, TAGS, TEXT

NO_ID = bytes(16)


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


class TopicMetadata(Request[_TopicMetadataV10]):  # type: ignore[misc]
    """Asks for the ids of topics and, with `operations`, for what we may do with each."""

    API_KEY = 3

    def __init__(self, topics: Collection[str], *, operations: bool = False) -> None:
        self._topics = sorted(topics)
        self._operations = operations

    def build(self, struct: Any) -> Any:
        asked: list[Any] = [(NO_ID, topic, NO_TAGS) for topic in self._topics]
        return struct(asked, False, False, self._operations, NO_TAGS)
