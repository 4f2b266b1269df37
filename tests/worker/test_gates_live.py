"""Does a gate on a real Kafka let in what may enter, and nothing else, whatever is killed?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.published_versions import read_versions
from farandole.events.record import Record
from farandole.events.topology_version import Version
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, books_read, until
from tests.books.stand import rows
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.test_live import behind
from tests.worker.test_parked_rows_live import said
from tests.worker.test_retry_queue_live import put

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

FILE = """
pipeline: gated
defaults: {partitions: 3}
events:
  asked: {partitions: 1}
  item:
    key: n
    checks:
      positive: {rule: range, column: n, min: 0, share: 95%, severity: gate}
stages:
  split: {subscribes: asked, emits: item, run: "gated_steps:split"}
  load: {subscribes: item, emits: loaded, run: "gated_steps:load", gate: true}
"""
STEPS = """
from collections.abc import Iterator
from pydantic import BaseModel

class Asked(BaseModel):
    items: int
    bad: int

class Item(BaseModel):
    n: int

def split(asked: Asked) -> Iterator[Item]:
    for n in range(asked.items):
        yield Item(n=n - asked.bad)

def load(item: Item) -> Item:
    return item
"""
ITEMS, BAD = 400, 40


async def ask(settings: Settings, version: Version, *bad: int) -> None:
    """Open runs with so many bad items each."""
    async with open_client(make_producer(settings), settings) as client:
        for each in bad:
            value = orjson.dumps({"items": ITEMS, "bad": each})
            await client.send_and_wait(version.events["asked"].topic, value)


async def records(settings: Settings, topic: str) -> list[Record]:
    return [record async for some in scan(settings, [topic]) for record in some]


async def loaded(settings: Settings) -> dict[str, list[Record]]:
    """The loaded events by run."""
    found: dict[str, list[Record]] = {}
    for record in await records(settings, settings.names.event_topic("gated", "loaded")):
        found.setdefault(dict(record.headers)["ce_runid"].decode(), []).append(record)
    return found


@asynccontextmanager
async def at_work(settings: Settings, folder: Path) -> AsyncIterator[Supervisor]:
    """Two workers."""
    versions = await read_versions(settings, "gated")
    supervisor = Supervisor(
        [
            replace(service, patience=300.0)  # a frozen process must wake up, and not be killed
            for service in worker_services(
                settings, folder, versions, together=True, processes=2, log_level="critical"
            )
        ]
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        await until(_async(supervisor.ready), "the workers are not ready")
        yield supervisor
    finally:
        stopping.set()
        assert await running, "a worker was put into quarantine"


def _async(condition: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def met() -> object:
        return condition()

    return met


def test_only_runs_that_passed_or_were_released_enter_and_each_event_once(
    settings: Settings, tmp_path: Path, unset: None
) -> None:
    """A worker is killed and another frozen while runs wait; the bookkeeper is killed too. Of eight
    runs two are bad: one is released, one cancelled."""
    (tmp_path / "topology.yaml").write_text(FILE)
    (tmp_path / "gated_steps.py").write_text(STEPS)
    asyncio.run(lived(settings, tmp_path))
    assert_clean(settings, tmp_path)


async def lived(settings: Settings, folder: Path) -> None:
    version = await put(settings, folder)

    async def shut() -> list[str]:
        found, _ = await rows(settings)
        states = {
            run: row["gates"]["load"]["state"] for run, row in found.items() if "gates" in row
        }
        return [run for run, state in states.items() if state == "failed"]

    async def both_wait() -> bool:
        found = (await said(settings, folder, "gates"))["runs"]
        return sum(each["judged"] is not None for each in found) == 2

    async def at_rest() -> bool:
        return not await behind(settings, "gated")

    async with at_work(settings, folder) as supervisor:
        await ask(settings, version, 0, 0, BAD)

        async def split() -> bool:
            topic = settings.names.event_topic("gated", "item")
            return len(await records(settings, topic)) >= 3 * ITEMS

        await until(split, "nothing is split")
        assert await loaded(settings) == {}  # nobody keeps the books
        with bookkeeper(settings) as first:

            async def one_is_shut() -> bool:
                return len(await shut()) == 1

            await until(one_is_shut, "no check has failed")
            os.kill(next(iter(supervisor.pids().values())), signal.SIGKILL)
            first.kill()
            first.wait()
        await ask(settings, version, 0, BAD, 0, 0, 0)
        await until(_async(supervisor.ready), "a worker is missing")
        pid = next(iter(supervisor.pids().values()))
        os.kill(pid, signal.SIGSTOP)
        with bookkeeper(settings):
            await until(both_wait, "the second bad run is not judged")
            os.kill(pid, signal.SIGCONT)
            one, other = sorted(await shut())
            assert not {one, other} & (await loaded(settings)).keys()
            freed = await said(settings, folder, "gates", "release", one, "--reason", "looked at")
            assert freed["failed"].keys() == {"item/positive"}
            await said(settings, folder, "cancel", other)
            await until(at_rest, "something waits for ever")
            await books_read(settings)
    await _judge(settings, released=one, cancelled=other)


async def _judge(settings: Settings, *, released: str, cancelled: str) -> None:
    found, completed = await rows(settings)
    assert completed == dict.fromkeys(found, 1)
    by_run = await loaded(settings)
    assert {run: len(each) for run, each in by_run.items()} == dict.fromkeys(
        found.keys() - {cancelled}, ITEMS
    )
    assert {run: (row["status"], row["gates"]["load"]["state"]) for run, row in found.items()} == {
        run: ("cancelled", "failed") if run == cancelled
        else ("completed", "released" if run == released else "open")
        for run in found
    }  # fmt: skip
    opened: dict[str, int] = {}
    for record in await records(settings, settings.names.gates_topic):
        run = (record.key or b"").decode().rpartition("/")[2]
        opened.setdefault(run, orjson.loads(record.value or b"{}").get("at", 0))
    for run, events in by_run.items():
        if run != released:
            assert min(event.timestamp for event in events) >= opened[run]
    written = await records(settings, settings.names.alerts_topic)
    alerts = [orjson.loads(record.value or b"") for record in written]
    told = Counter((a["run"], a["state"]) for a in alerts if a["kind"] == "gate.failed")
    assert told == dict.fromkeys(
        [(run, state) for run in (released, cancelled) for state in ("firing", "resolved")], 1
    )
