"""Is *drained* said of a running pipeline when nothing is in flight, and not before?

What is in flight is counted from the topics and the offsets of the groups alone."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import pytest
from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.published_versions import read_versions
from farandole.events.topology_version import Version
from farandole.operations.drain.drain import (
    DrainRequest,
    end_drain,
    order_drain,
    read_drain,
    wait_until_drained,
)
from farandole.operations.installation import Installation
from farandole.operations.topology_source import TopologySource
from farandole.services import restart_policy
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, books_read, until
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.test_live import behind, put

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

STAGES = Path(__file__).parent / "pipeline" / "stages"
PIPELINE = "drained"
PARKS = "retry: {attempts: 5, backoff: 300ms, in_place: 1ms}"
PLAIN = {
    "plan": "subscribes: asked, emits: item",
    "note": f"subscribes: asked, {PARKS}",
    "make": "subscribes: item, emits: made",
    "load": f"subscribes: made, {PARKS}",
}
POLISHED = {
    **PLAIN,
    "polish": "subscribes: item, emits: polished, run: 'stages.drained.steps:make'",
    "make": "subscribes: polished, emits: made",
}
WIRINGS = (PLAIN, POLISHED)


def text(stages: dict[str, str]) -> str:
    lines = [f"pipeline: {PIPELINE}", "defaults: {partitions: 3}", "events:"]
    lines += ["  asked: {partitions: 2}", "  item: {key: n}", "  made: {key: n}", "stages:"]
    for name, wired in stages.items():
        run = "" if "run:" in wired else f", run: 'stages.drained.steps:{name}'"
        lines.append(f"  {name}: {{{wired}{run}}}")
    return "\n".join([*lines, ""])


@asynccontextmanager
async def feeding(settings: Settings, version: Version) -> AsyncIterator[list[int]]:
    """Roots without a header, all the time until the block ends."""
    given = [0]
    enough = asyncio.Event()
    event = version.events["asked"]

    async def feed() -> None:
        async with open_client(make_producer(settings), settings) as client:
            while not enough.is_set():
                value = orjson.dumps({"n": given[0]})
                place = given[0] % event.partitions
                await client.send_and_wait(event.topic, value, partition=place)
                given[0] += 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), 0.005)

    task = asyncio.create_task(feed())
    try:
        yield given
    finally:
        enough.set()
        await task


@asynccontextmanager
async def at_work(settings: Settings, folder: Path) -> AsyncIterator[Supervisor]:
    versions = await read_versions(settings, PIPELINE)
    services = worker_services(
        settings, folder, versions, together=True, processes=2, log_level="critical"
    )
    supervisor = Supervisor(services)
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        await ready(supervisor)
        yield supervisor
    finally:
        stopping.set()
        assert await running, "a worker was put into quarantine"


async def ready(supervisor: Supervisor) -> None:
    async def is_ready() -> bool:
        return supervisor.ready()

    await until(is_ready, "a worker is missing")


async def more_than(given: list[int], number: int) -> None:
    async def are_given() -> bool:
        return given[0] > number

    await until(are_given, "no root was taken")


def kill_one(supervisor: Supervisor) -> None:
    with suppress(ProcessLookupError, StopIteration):
        os.kill(next(iter(supervisor.pids().values())), signal.SIGKILL)


async def in_flight(settings: Settings) -> list[str]:
    """Return the events that are emitted and not settled, the parked ones, and the roots that one
    reader has settled and another has not: as of some moment in this call."""
    versions = await read_versions(settings, PIPELINE)
    names, found = settings.names, []
    done: dict[tuple[str, TopicPartition], int] = {}
    async with ClusterAdmin.open(settings) as admin:
        widths = await admin.all_topics()
        for stage in {stage for version in versions.values() for stage in version.stages}:
            topics = {e.topic for v in versions.values() for e in v.events.values()}
            tps = [TopicPartition(t, i) for t in topics for i in range(widths[t])]
            offsets = await admin.committed_offsets(names.stage_group(PIPELINE, stage), tps)
            done |= {(stage, tp): at.offset for tp, at in offsets.items() if at is not None}
    for event_type in {name for version in versions.values() for name in version.events}:
        topic = names.event_topic(PIPELINE, event_type)
        async for records in scan(settings, [topic]):
            for record in records:
                headers = dict(record.headers)
                name = headers.get("ce_topologyversion", b"").decode()
                number = int(name.rpartition("@")[2]) if name else 1
                place = TopicPartition(record.topic, record.partition)
                readers = [s for s, spec in versions[number].stages.items()
                           if event_type in spec.subscribes]  # fmt: skip
                left = [s for s in readers if done.get((s, place), 0) <= record.offset]
                if left and (name or len(left) < len(readers)):
                    found.append(f"{place} {record.offset} is unread by {left}")
    for stage in {stage for version in versions.values() for stage in version.stages}:
        parked: dict[tuple[int, bytes], bool] = {}
        async for records in scan(settings, [names.retry_topic(PIPELINE, stage)]):
            for record in records:
                parked[record.partition, record.key or b""] = record.value is not None
        found += [f"{stage}: {key!r}" for (_, key), waits in parked.items()
                  if waits and key.startswith((b"parked/", b"replay/"))]  # fmt: skip
    return found


async def drained_while(
    settings: Settings, installation: Installation, supervisor: Supervisor, given: list[int]
) -> None:
    """Wait until the pipeline is drained, and count."""
    assert (await wait_until_drained(installation)).state == "drained"
    assert await in_flight(settings) == []
    # It stays so, although roots come and workers die.
    before = given[0]
    kill_one(supervisor)
    await ready(supervisor)
    await more_than(given, before + 50)
    assert await in_flight(settings) == []
    assert (await read_drain(installation)).state == "drained"


async def survived(settings: Settings, folder: Path, rounds: int, die: random.Random) -> None:
    first = await put(settings, folder, text(PLAIN))
    installation = Installation(
        settings, folder, TopologySource(folder / "topology.yaml", folder), PIPELINE
    )
    with bookkeeper(settings):
        async with at_work(settings, folder) as supervisor:
            async with feeding(settings, first) as given:
                for number in range(rounds):
                    await more_than(given, given[0] + 150)
                    await order_drain(installation, DrainRequest("a test"))
                    kill_one(supervisor)
                    if number % 2 == 0 or die.random() < 0.5:
                        await put(settings, folder, text(WIRINGS[(number + 1) % 2]))
                    await ready(supervisor)
                    await drained_while(settings, installation, supervisor, given)
                    await end_drain(installation)
                assert (await read_drain(installation)).state == "open"
                await more_than(given, given[0] + 50)

            async def read() -> bool:
                return not await behind(settings, PIPELINE)

            await until(read, "the stages are behind")
        await books_read(settings)
    versions = await read_versions(settings, PIPELINE)
    made = [r async for records in scan(settings, [versions[1].events["made"].topic])
            for r in records]  # fmt: skip
    seen = [orjson.loads(record.value or b"") for record in made]
    assert sorted((each["n"], each["part"]) for each in seen) == [
        (n, part) for n in range(given[0]) for part in range(5)
    ]


def linked(folder: Path) -> Path:
    (folder / "stages").symlink_to(STAGES)
    return folder


def test_a_drain_under_load_with_kills_retries_and_a_rewire(
    settings: Settings, tmp_path: Path
) -> None:
    asyncio.run(survived(settings, linked(tmp_path), 1, random.Random(1)))
    assert_clean(settings, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_drains_under_load(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 10**6)
    asyncio.run(survived(settings, linked(tmp_path), 8, random.Random(2)))
    assert_clean(settings, tmp_path)
