"""Which error does a caller get for each failure in a transaction?"""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    KafkaError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    RecordListTooLargeError,
)
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.broker_errors import (
    BrokerError,
    DeadlineExceededError,
    ProducerFencedError,
    RecordRejectedError,
    TransactionFailedError,
)
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.fencing_errors import FENCING_ERRORS
from farandole.broker.group_offsets import NotAMemberError
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.broker.transactions import await_all, fence, fenced_producer, translated_errors
from farandole.events.record import OutgoingRecord, Partition


async def test_a_refusal_of_the_offsets_counts_more_than_what_follows_from_it() -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises(NotAMemberError):
        await await_all([fail(IllegalOperation()), fail(NotAMemberError("expelled"))])


def wrapped(cause: BaseException) -> KafkaError:
    error = KafkaError(f"Unexpected error: {cause!r}")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "expected", "text"),
    [
        *((error(), ProducerFencedError, error.__name__) for error in FENCING_ERRORS),
        *((wrapped(error()), ProducerFencedError, error.__name__) for error in FENCING_ERRORS),
        (MessageSizeTooLargeError("x"), RecordRejectedError, "MessageSizeTooLargeError: "),
        (RecordListTooLargeError("x"), RecordRejectedError, "RecordListTooLargeError: "),
        (NotLeaderForPartitionError(), TransactionFailedError, "NotLeaderForPartitionError: "),
        (ConnectionResetError("gone"), TransactionFailedError, "ConnectionResetError: gone"),
        (AssertionError("state"), TransactionFailedError, "producer in a wrong state: state"),
        (TimeoutError(), DeadlineExceededError, "no answer"),
    ],
)
def test_each_error_of_the_client_has_one_of_ours(
    raised: Exception, expected: type[BrokerError], text: str
) -> None:
    with pytest.raises(expected, match=text), translated_errors("no answer"):
        raise raised


def test_an_error_of_another_kind_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), translated_errors("no answer"):
        raise ZeroDivisionError


@pytest.fixture
async def topic(settings: Settings) -> str:
    name = settings.names.event_topic("p", "made")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({name: TopicSpec(2)})
    return name


async def values(settings: Settings, topic: str) -> list[bytes]:
    return sorted([r.value or b"" async for batch in scan(settings, [topic]) for r in batch])


@pytest.mark.kafka
async def test_a_transaction_is_written_whole(settings: Settings, topic: str) -> None:
    tid = settings.names.replay_transactional_id("p", "load")
    out = {Partition(topic, i): [OutgoingRecord(b"k", b"%d" % i)] for i in (0, 1)}
    async with fenced_producer(settings, tid) as producer:
        await producer.transact(out, 0)
        await producer.begin()
        assert producer.is_open
        await producer.send(out, 0)
        await producer.abort()
        assert not producer.is_open
    assert await values(settings, topic) == [b"0", b"1"]


@pytest.mark.kafka
async def test_a_fenced_producer_gets_an_error(settings: Settings, topic: str) -> None:
    tid = settings.names.replay_transactional_id("p", "load")
    out = {Partition(topic, 0): [OutgoingRecord(b"k", b"late")]}
    async with fenced_producer(settings, tid) as producer:
        await producer.begin()
        await producer.send(out, 0)
        await fence(settings, tid)
        with pytest.raises(ProducerFencedError):
            await producer.commit()
    assert await values(settings, topic) == []


@pytest.mark.kafka
async def test_a_transaction_left_open_by_an_error_is_ended_by_the_next_fence(
    settings: Settings, topic: str
) -> None:
    tid = settings.names.replay_transactional_id("p", "load")
    with pytest.raises(ZeroDivisionError):
        async with fenced_producer(settings, tid) as producer:
            await producer.begin()
            await producer.send({Partition(topic, 0): [OutgoingRecord(b"k", b"half")]}, 0)
            raise ZeroDivisionError
    await fence(settings, tid)
    assert await values(settings, topic) == []


@pytest.mark.kafka
async def test_offsets_are_waited_for_until_their_transaction_has_ended(
    settings: Settings, topic: str
) -> None:
    tp, group = TopicPartition(topic, 0), f"{topic}-readers"
    async with ClusterAdmin.open(settings) as admin, fenced_producer(settings, topic) as producer:
        await producer.begin()
        await producer.add_offsets(group, {tp: 7})
        waiting = asyncio.create_task(admin.wait_for_offsets(group, [tp]))
        assert await admin.committed_offsets(group, [tp]) == {tp: None}
        assert await asyncio.wait([waiting], timeout=1.0) == (set(), {waiting})
        await producer.commit()
        await waiting
        assert await admin.committed_offsets(group, [tp]) == {tp: OffsetAndMetadata(7, "")}
