"""Does the monitor count committed entries once, and only those that its windows need?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.monitor.ledger_skip import KEPT_SECONDS
from farandole.monitor.service import run_monitor
from farandole.monitor.settings import MonitorSettings as Own
from tests.undecodable import undecodable

pytestmark = pytest.mark.kafka


def entry(n: int) -> bytes:
    at = time.time_ns() // 1_000_000
    took = {"t": {"n": n, "hash": 0, "oldest": at - 500}}
    part = {"run": "r", "version": 1, "in": took, "out": {}}
    head = {"pipeline": "p", "stage": "s", "lane": 0, "at": at, "seconds": 0.1}
    return orjson.dumps({**head, "runs": [part]})


@asynccontextmanager
async def running(settings: Settings, folder: Path) -> AsyncIterator[str]:
    stopping, urls = asyncio.Event(), asyncio.Queue[str]()
    task = asyncio.create_task(run_monitor(settings, Own(), folder, stopping, urls.put_nowait))
    try:
        yield await urls.get()
    finally:
        stopping.set()
        await task


async def consumed(url: str, expected: int) -> int:
    """Return the number of counted events once it is at least `expected`."""
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/stages") as answer:
                figures = await answer.json()
            found: int = sum(each["10m"]["consumed"] for each in figures["stages"])
            if found >= expected and figures["trouble"] is None:
                return found
            await asyncio.sleep(0.1)


async def committed_offset(settings: Settings, tp: TopicPartition) -> int:
    async with ClusterAdmin.open(settings) as admin:
        found = (await admin.committed_offsets(settings.names.monitor_group, [tp]))[tp]
    return found.offset if found is not None else 0


async def test_only_committed_entries_count_and_a_restart_keeps_the_counts(
    settings: Settings, tmp_path: Path
) -> None:
    ledger = settings.names.ledger_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({ledger: TopicSpec(2)})
    async with open_client(
        make_producer(settings, transactional_id=f"{ledger}-t"), settings
    ) as writer:
        await writer.begin_transaction()
        await writer.send_and_wait(ledger, entry(1000), partition=0)
        await writer.abort_transaction()
        async with writer.transaction():
            await writer.send_and_wait(ledger, entry(3), partition=0)
        async with running(settings, tmp_path) as url:
            assert await consumed(url, 3) == 3
        async with writer.transaction():  # while none runs
            await writer.send_and_wait(ledger, entry(4), partition=0)
    async with running(settings, tmp_path) as url:
        assert await consumed(url, 7) == 7


async def test_a_record_that_cannot_be_decoded_is_left_out(
    settings: Settings, tmp_path: Path
) -> None:
    ledger = settings.names.ledger_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({ledger: TopicSpec(2)})
    writer = make_producer(settings, enable_idempotence=False)
    async with open_client(writer, settings):
        for n in range(4):
            await writer.send_and_wait(ledger, entry(1), partition=n % 2)
            batch = undecodable(writer, entry(1))
            await (await writer.send_batch(batch, ledger, partition=0))
        await writer.send_and_wait(ledger, entry(1), partition=0)
    async with running(settings, tmp_path) as url:
        assert await consumed(url, 5) == 5


async def test_a_restart_reads_neither_old_entries_nor_counted_ones(
    settings: Settings, tmp_path: Path
) -> None:
    ledger = TopicPartition(settings.names.ledger_topic, 0)
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({ledger.topic: TopicSpec(1)})
    old = int(time.time() - KEPT_SECONDS - 60) * 1000
    async with open_client(
        make_producer(settings, transactional_id=f"{ledger.topic}-t"), settings
    ) as writer:
        async with writer.transaction():
            for _ in range(5):
                await writer.send_and_wait(ledger.topic, entry(1), partition=0, timestamp_ms=old)
        for _ in range(20):  # each with a transaction marker behind it
            async with writer.transaction():
                last = await writer.send_and_wait(ledger.topic, entry(1), partition=0)
    async with running(settings, tmp_path) as url:
        assert await consumed(url, 20) == 20
    assert await committed_offset(settings, ledger) >= last.offset + 1
