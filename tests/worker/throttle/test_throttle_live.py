"""Do workers on Kafka keep the rate of a throttle, by the times of what they commit?"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import cycle
from pathlib import Path

import orjson
import pytest
import structlog

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.lazy_follower import follow_lazily
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.catalog.published_versions import follow_versions
from farandole.events.share_row import ShareRow, parse_share_row
from farandole.events.topology_version import Version
from farandole.worker.control_follower import follow_control_state
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.stage_host import StageHost
from farandole.worker.throttle.share_table import ShareTable
from tests.rewiring.edits import PLAIN
from tests.rewiring.test_live import HERE, edit, put, until
from tests.worker.test_control_live import count, reached

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

RATE = 150


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[StageHost]:
    """A worker with all stages, in this process."""
    async with (
        follow_versions(settings, "rewired") as known,
        follow_control_state(settings, "rewired", lambda: known.versions) as controls,
        follow_lazily(settings, settings.names.shares_topic, "") as shares,
    ):
        host = StageHost(settings, known, controls, (), Heartbeat(None), ShareTable(shares))
        running = asyncio.create_task(host.run())
        try:
            yield host
        finally:
            host.drain()
            await running


async def set_rate(settings: Settings, rate: str) -> None:
    """Write a throttle document as kcat does."""
    document = {"do": "throttle", "pipeline": "rewired", "stage": "make", "rate": rate}
    async with open_client(make_producer(settings), settings) as client:
        topic = settings.names.control_topic
        await client.send_and_wait(topic, orjson.dumps(document), key=b"throttle/rewired/make")


async def shares_of(settings: Settings) -> list[ShareRow]:
    rows = await read_table(settings, settings.names.shares_topic)
    return [parse_share_row(value) for value in rows.values()]


async def commit_times(settings: Settings, version: Version, event_type: str) -> list[float]:
    topic = version.events[event_type].topic
    found = [r.timestamp / 1000 async for records in scan(settings, [topic]) for r in records]
    return sorted(found)


def most_within(times: list[float], seconds: float) -> int:
    """Return how many times lie in the fullest window of this length."""
    return max(bisect_left(times, at + seconds) - i for i, at in enumerate(times))


async def test_two_workers_stop_at_0_and_keep_a_rate_together(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "stages").symlink_to(HERE / "pipeline" / "stages")
    version = await edit(settings, tmp_path, PLAIN)
    await set_rate(settings, "0")
    async with working(settings) as one, working(settings) as other:
        await until(
            lambda: {h.lanes.get("make", int)() for h in (one, other)} == {1, 2}, "lanes missing"
        )
        async with open_client(make_producer(settings), settings) as client:
            topic = version.events["asked"].topic
            values = (orjson.dumps({"n": n, "household": n}) for n in range(800))
            sent = [
                await client.send(topic, value, key=b"%d" % i) for i, value in enumerate(values)
            ]
            await asyncio.gather(*sent)
        async with asyncio.timeout(180):
            while sum(row.throttled > 0 for row in await shares_of(settings)) < 3:
                await asyncio.sleep(0.2)
        assert await count(settings, version, "made") == 0
        await set_rate(settings, f"{RATE}/s")
        await reached(settings, version, "made", 400)
        times = await commit_times(settings, version, "made")
        rows = await shares_of(settings)
        await set_rate(settings, "off")
        await reached(settings, version, "made", 800)
        async with asyncio.timeout(180):
            while await shares_of(settings):  # each lane takes its row back
                await asyncio.sleep(0.2)
    assert sum(row.held for row in rows) <= 1_000_000
    # A second's worth may have been due in the buckets.
    assert most_within(times, 2.0) <= 3 * RATE + 3


# -- under soak: three workers and eight partitions, nine tenths of the load on one of them

WORKER = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from farandole.broker.settings import Settings
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.worker_process import run_worker
settings = Settings.model_validate_json(sys.argv[1])
asyncio.run(run_worker(settings, "tills", ["check"], Heartbeat(None), asyncio.Event()))
"""
STAGE = """
from pydantic import BaseModel

class Sale(BaseModel):
    number: int

def check(sale: Sale) -> Sale:
    return sale
"""
SOAK_RATE = int(os.environ.get("SOAK_RATE", "1000"))
FILE = f"""
pipeline: tills
events: {{sale: {{partitions: 8}}, sale.checked: {{partitions: 8}}}}
stages:
  check:
    run: "till_stage:check"
    subscribes: sale
    emits: sale.checked
    throttle: {SOAK_RATE}/s
"""
SETTLED = 30.0
WINDOW = 60.0


@contextmanager
def worker_process(settings: Settings, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = (folder / f"worker-{time.monotonic_ns()}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, settings.model_dump_json(), str(folder)],
        stdout=log,
        stderr=log,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


async def feed(settings: Settings, version: Version, a_second: int) -> None:
    """Publish events until cancelled, nine of ten into the first partition."""
    topic, others = version.events["sale"].topic, cycle(range(1, 8))
    async with open_client(make_producer(settings), settings) as client:
        sent, began = 0, time.monotonic()
        while True:
            owed = int((time.monotonic() - began) * a_second) - sent
            for number in range(sent, sent + owed):
                partition = next(others) if number % 10 == 0 else 0
                await client.send(topic, b'{"number": %d}' % number, partition=partition)
            sent += owed
            await asyncio.sleep(0.05)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_three_workers_keep_a_rate_while_one_joins_and_one_is_killed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOAK_RATE says which rate."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "till_stage.py").write_text(STAGE)
    version = await put(settings, tmp_path, FILE)
    clean: list[tuple[float, float]] = []
    with worker_process(settings, tmp_path), worker_process(settings, tmp_path) as second:
        feeding = asyncio.create_task(feed(settings, version, SOAK_RATE * 3 // 2))
        try:
            await reached(settings, version, "sale.checked", SOAK_RATE)
            await asyncio.sleep(SETTLED)
            clean.append(await window())
            with worker_process(settings, tmp_path):
                await asyncio.sleep(15)  # it starts, and the group rebalances
                clean.append(await window())
                os.kill(second.pid, signal.SIGKILL)
                await asyncio.sleep(settings.session_timeout + 15)
                clean.append(await window())
        finally:
            feeding.cancel()
            await asyncio.wait({feeding})
    times = await commit_times(settings, version, "sale.checked")
    found = [bisect_left(times, end) - bisect_left(times, begin) for begin, end in clean]
    most = most_within(times, WINDOW)
    structlog.get_logger().info("measured", most=most, clean=found)
    assert most <= 1.05 * SOAK_RATE * WINDOW
    assert min(found) >= 0.95 * SOAK_RATE * WINDOW


async def window() -> tuple[float, float]:
    """Wait for a window, and return its begin and end."""
    begin = time.time()
    await asyncio.sleep(WINDOW)
    return begin, begin + WINDOW
