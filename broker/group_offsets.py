"""How are offsets committed and read so that a consumer that has lost its partition cannot do it?

aiokafka speaks versions 0 of TxnOffsetCommit and 3 of OffsetFetch. KIP-447 has added to the first
the member and the generation of the consumer, which the group's coordinator checks, and to the
second `require_stable`: wait for a transaction whose offsets are not yet written. Both are spoken
by Kafka 2.5 and later; an older broker gets the old requests, and checks nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from struct import Struct
from types import SimpleNamespace
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata

from farandole.broker import aiokafka_internals as internals
from farandole.broker.aiokafka_internals import (
    OffsetFetchRequest_v3,
    Request,
    RequestStruct,
    Response,
    TxnOffsetCommitRequest_v0,
    types,
)
from farandole.broker.flexible_types import NO_TAGS, TAGS, TEXT

log = structlog.get_logger()

_ILLEGAL_GENERATION, _UNKNOWN_MEMBER, _FENCED_INSTANCE = 22, 25, 82
_NOT_A_MEMBER = {
    _ILLEGAL_GENERATION: "the generation of its group is over",
    _UNKNOWN_MEMBER: "it is no member of its group",
    _FENCED_INSTANCE: "another consumer has its instance id",
}
_LOADING, _UNSTABLE = 14, 88
_MOVED = {15, 16}  # the coordinator is not available, or another broker is it
_NOT_YET = {_LOADING, _UNSTABLE, *_MOVED}
_RETRY_SECONDS = 0.02

_Offsets = Mapping[str, Sequence[tuple[int, int, str]]]
"""By topic: partition, offset, metadata."""


class NotAMemberError(KafkaError):  # type: ignore[misc]  # aiokafka is untyped
    """The group's coordinator refuses offsets of a consumer that is no member of this generation:
    whoever sends them no longer owns the partition."""


class GroupMember(NamedTuple):
    """As whom a consumer belongs to its group: the generation and the id that Kafka gave it. The
    defaults stand for a consumer that has joined no group; its offsets are not checked."""

    generation: int = -1
    member_id: str = ""


NO_MEMBER = GroupMember()


def current_member(consumer: AIOKafkaConsumer) -> GroupMember:
    """Return as whom the consumer belongs to its group now."""
    return GroupMember(*internals.generation_and_id(consumer))


def commit_as_member(producer: AIOKafkaProducer, member: GroupMember) -> None:
    """Let the producer send the offsets of its transactions in the name of `member`.

    `send_offsets_to_transaction` then raises NotAMemberError if the coordinator refuses it; the
    transaction can only be aborted.
    """

    class Handler(_MemberOffsetCommitHandler):
        of_member = member

    internals.set_offset_commit_handler(producer, Handler)


class _MemberOffsetCommitHandler(internals.TxnOffsetCommitHandler):  # type: ignore[misc]
    of_member: GroupMember

    def create_request(self) -> Any:
        topics: dict[str, list[Any]] = {}
        for tp, offset in self._offsets.items():
            topics.setdefault(tp.topic, []).append((tp.partition, offset.offset, offset.metadata))
        return _TxnOffsetCommit(
            internals.transaction_identity(self._sender), self._group_id, self.of_member, topics
        )

    def handle_response(self, response: Any) -> float | None:
        """Return the seconds to wait before the request is sent again; None if it is settled."""
        if response.API_VERSION == 0:
            _warn_of_old_broker()
        errors = [
            (topic, [each[:2] for each in of_topic]) for topic, of_topic, *_ in response.errors
        ]
        for topic, of_topic in errors:
            for partition, code in of_topic:
                if code in _NOT_A_MEMBER:
                    internals.fail_transaction(
                        self._sender,
                        NotAMemberError(
                            f"group {self._group_id} refuses the offset of {topic}/{partition} from"
                            f" {self.of_member.member_id or 'a consumer'} in generation"
                            f" {self.of_member.generation}: {_NOT_A_MEMBER[code]}"
                        ),
                    )
                    return None
        wait: float | None = super().handle_response(SimpleNamespace(errors=errors))
        return wait


async def stable_offsets(
    consumer: AIOKafkaConsumer, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return the committed offset and its metadata for each partition that has one.

    Asks until the coordinator has loaded the group and every transaction that has an offset of
    these partitions is at its end: the caller sets the deadline. Raises KafkaError.
    """
    topics: dict[str, list[int]] = {}
    for topic, partition in partitions:
        topics.setdefault(topic, []).append(partition)
    while True:
        response = await internals.ask_coordinator(consumer, _OffsetFetch(group, topics))
        found, codes = {}, {getattr(response, "error_code", 0)}
        for topic, of_topic, *_ in response.topics:
            for partition, offset, *rest in of_topic:
                metadata, code = rest[1:3] if response.API_VERSION >= 6 else rest
                codes.add(code)
                if offset >= 0:
                    found[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata)
        codes.discard(0)
        if not codes:
            return found
        if codes - _NOT_YET:
            raise for_code(min(codes - _NOT_YET))(group)
        if codes & _MOVED:
            internals.forget_coordinator(consumer)
        await asyncio.sleep(_RETRY_SECONDS)


@cache
def _warn_of_old_broker() -> None:
    log.warning(
        "broker.offsets_unchecked",
        detail="this broker is older than Kafka 2.5: it does not check who commits an offset",
    )


# The requests. From version 3 of the one and 6 of the other on, they are flexible.

_END = types.TaggedFields.encode(NO_TAGS)
_OFFSET = Struct(">iqi")  # partition, offset, leader epoch

# What is the same in each transaction of a lane is encoded once.
_text = lru_cache(4096)(TEXT.encode)
_count = lru_cache(256)(lambda items: types.UnsignedVarInt32.encode(items + 1))


@lru_cache(4096)
def _sender_part(
    transactional_id: str, group: str, producer_id: int, epoch: int, member: GroupMember
) -> bytes:
    return b"".join(
        (
            _text(transactional_id),
            _text(group),
            types.Int64.encode(producer_id),
            types.Int16.encode(epoch),
            types.Int32.encode(member.generation),
            _text(member.member_id),
            TEXT.encode(None),  # no instance id
        )
    )


def _offsets_part(topics: _Offsets) -> bytes:
    parts = [_count(len(topics))]
    for topic, of_topic in topics.items():
        parts += [_text(topic), _count(len(of_topic))]
        for partition, offset, metadata in of_topic:
            parts += [_OFFSET.pack(partition, offset, -1), TEXT.encode(metadata), _END]
        parts.append(_END)
    parts.append(_END)
    return b"".join(parts)


class _Encoded(types.AbstractType):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value


class _TxnOffsetCommitResponseV3(Response):  # type: ignore[misc]
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = types.Schema(
        ("throttle_time_ms", types.Int32),
        (
            "errors",
            types.CompactArray(
                ("topic", TEXT),
                (
                    "partition_errors",
                    types.CompactArray(
                        ("partition", types.Int32),
                        ("error_code", types.Int16),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        TAGS,
    )


class _TxnOffsetCommitV3(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 28
    API_VERSION = 3
    RESPONSE_TYPE = _TxnOffsetCommitResponseV3
    SCHEMA = types.Schema(("sender", _Encoded), ("offsets", _Encoded))


class _TxnOffsetCommit(Request[TxnOffsetCommitRequest_v0 | _TxnOffsetCommitV3]):  # type: ignore[misc]
    API_KEY = 28

    def __init__(
        self, transaction: tuple[str, int, int], group: str, member: GroupMember, topics: _Offsets
    ) -> None:
        self._transaction = transaction
        self._group = group
        self._member = member
        self._topics = topics

    def build(self, struct: Any) -> Any:
        name, producer_id, epoch = self._transaction
        if struct.API_VERSION < 3:
            return struct(name, self._group, producer_id, epoch, list(self._topics.items()))
        sender = _sender_part(name, self._group, producer_id, epoch, self._member)
        return struct(sender, _offsets_part(self._topics))


class _OffsetFetchResponseV7(Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = types.Schema(
        ("throttle_time_ms", types.Int32),
        (
            "topics",
            types.CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    types.CompactArray(
                        ("partition", types.Int32),
                        ("offset", types.Int64),
                        ("leader_epoch", types.Int32),
                        ("metadata", TEXT),
                        ("error_code", types.Int16),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        ("error_code", types.Int16),
        TAGS,
    )


class _OffsetFetchV7(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _OffsetFetchResponseV7
    SCHEMA = types.Schema(
        ("group_id", TEXT),
        (
            "topics",
            types.CompactArray(
                ("topic", TEXT),
                ("partitions", types.CompactArray(types.Int32)),
                TAGS,
            ),
        ),
        ("require_stable", types.Boolean),
        TAGS,
    )


class _OffsetFetch(Request[OffsetFetchRequest_v3 | _OffsetFetchV7]):  # type: ignore[misc]
    API_KEY = 9

    def __init__(self, group: str, topics: Mapping[str, Sequence[int]]) -> None:
        self._group = group
        self._topics = topics

    def build(self, struct: Any) -> Any:
        if struct.API_VERSION < 7:
            return struct(self._group, list(self._topics.items()))
        topics = [(topic, partitions, NO_TAGS) for topic, partitions in self._topics.items()]
        return struct(self._group, topics, True, NO_TAGS)
