"""Does a follower have everything that was readable when it was asked?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.broker.topic_spec import TopicSpec
from tests.undecodable import undecodable

pytestmark = pytest.mark.kafka


@pytest.fixture
async def topic(settings: Settings) -> str:
    name = settings.names.topology_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({name: TopicSpec(1, {"cleanup.policy": "compact"})})
    return name


async def write(settings: Settings, topic: str, rows: dict[bytes, bytes | None]) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for key, value in rows.items():
            await writer.send_and_wait(topic, key=key, value=value)


async def test_it_begins_with_what_was_there(settings: Settings, topic: str) -> None:
    await write(settings, topic, {b"a": b"1", b"b": b"2"})
    async with follow_table(settings, topic) as follower:
        assert follower.rows == {b"a": b"1", b"b": b"2"}


async def test_an_empty_table_is_no_reason_to_wait(settings: Settings, topic: str) -> None:
    async with follow_table(settings, topic) as follower:
        assert await follower.current() == {}


async def test_what_was_committed_before_the_question_is_in_the_answer(
    settings: Settings, topic: str
) -> None:
    async with (
        follow_table(settings, topic) as follower,
        open_client(
            make_producer(settings, transactional_id=f"{settings.namespace}.w"), settings
        ) as writer,
    ):
        for n in range(8):
            async with writer.transaction():
                await writer.send_and_wait(topic, key=b"a", value=b"%d" % n)
            # Its marker may not be in the partition yet: what can be read by others is what counts.
            async with follow_table(settings, topic) as other:
                readable = other.rows.get(b"a", b"-1")
            assert int((await follower.current()).get(b"a", b"-1")) >= int(readable)


async def test_a_change_is_reported(settings: Settings, topic: str) -> None:
    async with follow_table(settings, topic) as follower:
        await follower.next_change()
        change = asyncio.create_task(follower.next_change())
        await write(settings, topic, {b"a": b"1"})
        assert await asyncio.wait_for(change, 60) == {b"a": b"1"}


async def test_a_tombstone_takes_its_row_away(settings: Settings, topic: str) -> None:
    await write(settings, topic, {b"a": b"1"})
    async with follow_table(settings, topic) as follower:
        await write(settings, topic, {b"a": None})
        assert await follower.current() == {}


async def test_the_newest_stands_last_with_its_time_and_offset(
    settings: Settings, topic: str
) -> None:
    await write(settings, topic, {b"a": b"1", b"b": b"1"})
    async with follow_table(settings, topic) as follower:
        before = dict(follower.written_at)
        await write(settings, topic, {b"a": b"2", b"c": None})
        assert [*await follower.current()] == [b"b", b"a"]
        assert follower.written_at.keys() == {b"a", b"b"}
        assert follower.written_at[b"a"] > before[b"a"]
        assert follower.written_at[b"b"] == before[b"b"]
        assert follower.offsets == {b"b": 1, b"a": 2}


@asynccontextmanager
async def uncommitted_row(
    settings: Settings, topic: str
) -> AsyncIterator[tuple[TableFollower, AIOKafkaProducer]]:
    """A follower, and who has written a row in a transaction that is open."""
    async with (
        follow_table(settings, topic) as follower,
        open_client(
            make_producer(settings, transactional_id=f"{settings.namespace}.w"), settings
        ) as writer,
    ):
        await writer.begin_transaction()
        await writer.send_and_wait(topic, key=b"a", value=b"1")
        yield follower, writer


async def test_an_uncommitted_record_is_not_read_and_blocks_nobody(
    settings: Settings, topic: str
) -> None:
    async with uncommitted_row(settings, topic) as (follower, writer):
        assert await follower.current() == {}
        await writer.abort_transaction()


async def test_what_is_written_and_not_yet_committed_can_be_waited_for(
    settings: Settings, topic: str
) -> None:
    async with uncommitted_row(settings, topic) as (follower, writer):
        asking = asyncio.create_task(follower.settled())
        assert await follower.current() == {}
        await writer.commit_transaction()
        assert await asking == {b"a": b"1"}


async def test_rows_fetched_together_with_an_undecodable_record_are_not_lost(
    settings: Settings, topic: str
) -> None:
    """One fetch of the follower holds all of them."""
    client = make_producer(settings, enable_idempotence=False)
    async with open_client(client, settings):
        for key in (b"a", b"b"):
            await client.send_and_wait(topic, key=key, value=b"1")
        await (await client.send_batch(undecodable(client, b"odd", b"k"), topic, partition=0))
        await client.send_and_wait(topic, key=b"c", value=b"1")
    async with follow_table(settings, topic) as follower:
        assert follower.rows == {b"a": b"1", b"b": b"1", b"c": b"1"}
