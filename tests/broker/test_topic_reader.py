"""Is a topic read exactly up to its end at the time of the call?"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.record.util import calc_crc32c

from farandole.broker.broker_errors import DeadlineExceededError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, read_tables, scan
from farandole.broker.topic_spec import TopicSpec

pytestmark = pytest.mark.kafka


@pytest.fixture
async def topic(settings: Settings) -> str:
    name = settings.names.event_topic("p", "a")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({name: TopicSpec(2, {"cleanup.policy": "compact"})})
    return name


async def values(settings: Settings, topic: str, start: object = "earliest") -> list[bytes | None]:
    return [
        record.value
        async for records in scan(settings, [topic], start=start)  # type: ignore[arg-type]
        for record in records
    ]


async def test_the_newest_value_of_each_key_is_the_row(settings: Settings, topic: str) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2")):
            await writer.send_and_wait(topic, value, key=key)
    assert await read_table(settings, topic) == {b"a": b"2", b"b": b"1"}


async def test_no_topic_but_that_which_is_read_is_described(
    settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster may have thousands of others, and a command reads a dozen topics."""

    async def describe(*_: Any) -> Any:
        raise AssertionError("all topics were asked for")

    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b"1", key=b"a")
    monkeypatch.setattr(AIOKafkaAdminClient, "describe_topics", describe)
    assert await read_table(settings, topic) == {b"a": b"1"}
    assert await read_table(settings, f"{topic}.missing") == {}


async def test_several_tables_are_read_at_once(settings: Settings, topic: str) -> None:
    other = f"{topic}.other"
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({other: TopicSpec(1, {"cleanup.policy": "compact"})})
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b"1", key=b"a")
        await writer.send_and_wait(other, b"2", key=b"a")
    tables = await read_tables(settings, other, f"{topic}.missing", topic)
    assert tables == [{b"a": b"2"}, {}, {b"a": b"1"}]


async def test_a_tombstone_ends_a_row(settings: Settings, topic: str) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b"1", key=b"a")
        await writer.send_and_wait(topic, None, key=b"a")
    assert await read_table(settings, topic) == {}


async def test_what_was_aborted_is_not_there(settings: Settings, topic: str) -> None:
    async with open_client(make_producer(settings, transactional_id=topic), settings) as writer:
        async with writer.transaction():
            await writer.send_and_wait(topic, b"1", key=b"a")
        await writer.begin_transaction()
        await writer.send_and_wait(topic, b"2", key=b"a")
        await writer.abort_transaction()
    assert await read_table(settings, topic) == {b"a": b"1"}


async def test_a_row_is_there_as_soon_as_its_commit_is_acknowledged(
    settings: Settings, topic: str
) -> None:
    """Kafka acknowledges before the markers are written: a reader up to the last stable offset
    misses some of these."""
    async with open_client(make_producer(settings, transactional_id=topic), settings) as writer:
        for i in range(20):
            async with writer.transaction():
                await writer.send(topic, b"%d" % i, key=b"a", partition=0)
                await writer.send(topic, b"%d" % i, key=b"b", partition=1)
            rows = await read_table(settings, topic)
            assert rows == {b"a": b"%d" % i, b"b": b"%d" % i}


async def test_nothing_is_read_from_where_reading_is_to_end(settings: Settings, topic: str) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for i in range(9):
            await writer.send_and_wait(topic, b"%d" % i, key=b"a", partition=i % 2)
    start = {TopicPartition(topic, 0): 1, TopicPartition(topic, 1): 0}
    until = {TopicPartition(topic, 0): 3, TopicPartition(topic, 1): 99}
    found = scan(settings, [topic], start=start, until=until)
    values = [record.value async for records in found for record in records]
    assert sorted(v for v in values if v is not None) == [b"1", b"2", b"3", b"4", b"5", b"7"]


async def test_an_open_transaction_is_waited_for(settings: Settings, topic: str) -> None:
    async with open_client(make_producer(settings, transactional_id=topic), settings) as writer:
        await writer.begin_transaction()
        await writer.send_and_wait(topic, b"1", key=b"a", partition=0)
        reading = asyncio.create_task(read_table(settings, topic))
        done, _ = await asyncio.wait({reading}, timeout=0.5)
        assert not done
        await writer.commit_transaction()
        assert await reading == {b"a": b"1"}


async def test_a_transaction_that_stays_open_is_not_waited_for_without_end(
    settings: Settings, topic: str
) -> None:
    hasty = settings.model_copy(update={"transaction_timeout": 0.5, "deadline": 0.4})
    async with open_client(make_producer(settings, transactional_id=topic), settings) as writer:
        await writer.begin_transaction()
        await writer.send_and_wait(topic, b"1", key=b"a", partition=0)
        with pytest.raises(DeadlineExceededError, match=topic):
            await read_table(hasty, topic)
        await writer.abort_transaction()


async def test_a_topic_that_does_not_exist_is_empty(settings: Settings) -> None:
    assert await read_table(settings, "nowhere") == {}


async def test_a_scan_of_two_topics_passes_over_the_missing_one(
    settings: Settings, topic: str
) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b"1", key=b"k")
    found = [r.value async for records in scan(settings, ["nowhere", topic]) for r in records]
    assert found == [b"1"]


async def test_a_scan_starts_where_it_is_told(settings: Settings, topic: str) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for i in range(3):
            await writer.send_and_wait(topic, b"%d" % i, key=b"k", partition=0)
        await writer.send_and_wait(topic, b"elsewhere", key=b"k", partition=1)
    assert await values(settings, topic, {TopicPartition(topic, 0): 1}) == [b"1", b"2"]
    assert await values(settings, topic, "latest") == []


async def test_a_scan_that_follows_sees_what_comes_later(settings: Settings, topic: str) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b"0", key=b"k", partition=0)
        found = []
        async with asyncio.timeout(60):
            async for records in scan(settings, [topic], follow=True):
                found += [record.value for record in records]
                if len(found) == 3:
                    break
                await writer.send_and_wait(topic, b"%d" % len(found), key=b"k", partition=0)
    assert found == [b"0", b"1", b"2"]


async def test_a_record_that_cannot_be_decoded_is_stepped_over(
    settings: Settings, topic: str
) -> None:
    """The name of one of its headers is not UTF-8, which aiokafka neither writes nor reads."""
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b"before", key=b"k", partition=0)
        await _send_undecodable(writer, topic, 0)
        await writer.send_and_wait(topic, b"after", key=b"k", partition=0)
    assert await values(settings, topic) == [b"before", None, b"after"]


async def test_one_that_cannot_be_decoded_costs_no_record_of_another_partition(
    settings: Settings, topic: str
) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for i in range(5):
            await writer.send_and_wait(topic, b"%d" % i, key=b"k", partition=0)
            await writer.send_and_wait(topic, b"%d" % i, key=b"k", partition=1)
        await _send_undecodable(writer, topic, 0)
        await _send_undecodable(writer, topic, 1)
        await writer.send_and_wait(topic, b"after", key=b"k", partition=0)
        await writer.send_and_wait(topic, b"after", key=b"k", partition=1)
    found = [(r.partition, r.value) async for batch in scan(settings, [topic]) for r in batch]
    whole = [b"0", b"1", b"2", b"3", b"4", None, b"after"]
    for partition in (0, 1):
        assert [value for p, value in found if p == partition] == whole


async def test_a_marker_before_one_that_cannot_be_decoded_is_not_taken_for_it(
    settings: Settings, topic: str
) -> None:
    async with open_client(make_producer(settings, transactional_id=topic), settings) as writer:
        async with writer.transaction():
            await writer.send_and_wait(topic, b"0", key=b"k", partition=0)
        # The marker stands at 1.
        async with writer.transaction():
            await _send_undecodable(writer, topic, 0)
    found = [(r.offset, r.value) async for batch in scan(settings, [topic]) for r in batch]
    assert found == [(0, b"0"), (2, None)]


async def _send_undecodable(writer: AIOKafkaProducer, topic: str, partition: int) -> None:
    batch: Any = writer.create_batch()
    batch.append(key=b"k", value=b"odd", timestamp=None, headers=[("X" * 8, b"v")])
    build = batch._build
    batch._build = lambda: _misnamed(bytes(build()))
    await (await writer.send_batch(batch, topic, partition=partition))


def _misnamed(batch: bytes) -> bytearray:
    """The batch with its header's name spoilt, and a checksum that fits."""
    spoilt = bytearray(batch.replace(b"X" * 8, b"\xff" * 8))
    spoilt[17:21] = struct.pack(">I", calc_crc32c(spoilt[21:]))
    return spoilt
