"""Do parked events keep their order, and is each event settled once, on a real Kafka?"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.catalog.published_versions import read_versions
from farandole.events.key_partitioner import partition_for_key
from farandole.events.record import Record
from farandole.events.topology_version import Version
from farandole.operations.status.waiting_events import WaitingEvents, count_waiting_events
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from farandole.router.version_retirement import retire_versions
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, books_read, until
from tests.books.stand import rows
from tests.cli.conftest import environment
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.test_live import behind

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

STAGES = Path(__file__).parent / "pipeline" / "stages"
FILE = """
pipeline: parked
defaults: {partitions: 3}
events:
  left: {key: household}
  right: {key: household}
stages:
  work:
    subscribes: [left, right]
    emits: done
    run: stages.parked.steps:work
    retry: {attempts: 4, backoff: 50ms, jitter: 0%, in_place: 0ms}
    breaker: {failures: 100000}
"""
EVENTS = 3_000
HOUSEHOLDS = 97


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").symlink_to(STAGES)
    (tmp_path / "topology.yaml").write_text(FILE)
    return tmp_path


def test_parked_events_keep_their_order_and_are_settled_once_although_workers_are_killed(
    settings: Settings, folder: Path, unset: None
) -> None:
    asyncio.run(survived(settings, folder))
    assert_clean(settings, folder)


def test_a_dead_letter_that_is_repaired_and_replayed_is_handled_once_and_amends_its_run(
    settings: Settings, folder: Path, unset: None
) -> None:
    patch = folder / "patch.json"
    patch.write_text('{"n": 51}')

    async def replayed(*words: str) -> None:
        await commanded(settings, folder, "dead", "replay", "--all", "--yes", *words)

    async def lived() -> None:
        version = await put(settings, folder)
        async with at_work(settings, folder) as (_, at_rest):
            await give(settings, version, 50, 1)
            await until(dies(settings, 1), "it did not die")
            await replayed()
            await until(dies(settings, 2), "it did not die again")
            await replayed("--patch", str(patch))
            await until(at_rest, "something is left")

    asyncio.run(lived())
    (done,) = [orjson.loads(r.value or b"") for r in asyncio.run(records(settings, "done"))]
    assert done["n"] == 51
    first, second = asyncio.run(letters(settings))
    assert (first["attempts"], first["replays"]) == ("4", "0")
    assert (second["attempts"], second["replays"]) == ("8", "1")
    assert first["first_failed"] == second["first_failed"]
    assert_clean(settings, folder)
    found, completed = asyncio.run(rows(settings))
    ((run, row),) = found.items()
    assert (row["status"], completed[run]) == ("completed", 1)
    assert row["amended"] >= 2


def test_letters_of_a_retired_version_are_replayed_by_it_or_by_the_newest(
    settings: Settings, folder: Path, unset: None
) -> None:
    """Two events die, the stage is mended, two more versions follow, and the first one retires."""
    patch = folder / "patch.json"
    file = folder / "topology.yaml"

    async def replayed(n: int, *words: str) -> None:
        patch.write_text(f'{{"n": {n + 1}}}')
        command = ["dead", "replay", "--run", runs[n], "--patch", str(patch), "--yes", *words]
        await commanded(settings, folder, *command)

    async def retired() -> list[int]:
        await retire_versions(settings, "parked")
        return [n for n, v in (await read_versions(settings, "parked")).items() if v.retired]

    async def two_are_retired() -> bool:
        return await retired() == [1, 2]

    runs: dict[int, str] = {}

    async def lived() -> None:
        file.write_text(f"{FILE}  after: {{subscribes: done, run: 'stages.parked.steps:after'}}\n")
        version = await put(settings, folder)
        async with at_work(settings, folder) as (_, at_rest):
            await give(settings, version, 50, 1)
            await until(dies(settings, 1), "it did not die")
            await give(settings, version, 151, 1)
            await until(dies(settings, 2), "the other did not die")
            first, second = await letters(settings)
            runs.update({50: first["run"], 151: second["run"]})
            for text in (FILE, FILE.replace("attempts: 4", "attempts: 5")):
                file.write_text(text)
                await put(settings, folder)
            await until(two_are_retired, "the old versions are not retired")
            await replayed(151, "--newest")
            await until(at_rest, "the newest version does not handle it")
            await books_read(settings)
            assert await retired() == [1, 2], "nothing of the first version was needed"
            await replayed(50)
            assert (await read_versions(settings, "parked"))[1].retired is None
            await until(at_rest, "the first version does not handle it")
            await books_read(settings)
            await until(two_are_retired, "the first version is not retired again")

    asyncio.run(lived())
    by_version = {
        dict(r.headers)["ce_topologyversion"]: orjson.loads(r.value or b"")["n"]
        for r in asyncio.run(records(settings, "done"))
    }
    assert by_version == {b"parked@1": 51, b"parked@3": 152}
    assert_clean(settings, folder)
    found, completed = asyncio.run(rows(settings))
    for run in runs.values():
        row = found[run]
        assert (row["status"], completed[run], row["version"]) == ("completed", 1, 1)
        assert row["amended"] >= 1
    assert found[runs[50]]["edges"]["done>after"]["consumed"] == 1
    assert found[runs[151]]["leaves"] == {"done@parked@3": 1}


async def commanded(settings: Settings, folder: Path, *words: str) -> None:
    """Run a command of ours to its end."""
    command = ["-m", "farandole", "-C", str(folder), *words]
    env = {**os.environ, **environment(settings)}
    child = await asyncio.create_subprocess_exec(sys.executable, *command, env=env)
    assert await child.wait() == 0


def test_parked_events_and_open_breakers_can_be_counted_by_others(
    settings: Settings, folder: Path, unset: None
) -> None:
    text = FILE.replace("failures: 100000", "failures: 3, probe: 30s")
    (folder / "topology.yaml").write_text(text)

    async def lived() -> None:
        version = await put(settings, folder)
        async with at_work(settings, folder):
            for n in range(60):
                await give(settings, version, 101 * n + 50, 1)  # these always fail

            async def all_hold() -> bool:
                return len((await counted()).held) == 3

            async def counted() -> WaitingEvents:
                async with ClusterAdmin.open(settings) as admin:
                    return (await count_waiting_events(admin, settings, "parked", ["work"]))["work"]

            await until(all_hold, "a lane goes on")
            found = await counted()
            assert found.count == len(await waiting(settings)) >= 3
            assert {lane.why for lane in found.held} == {"TimeoutError: nobody answers"}
            assert not found.more

    asyncio.run(lived())


@asynccontextmanager
async def at_work(
    settings: Settings, folder: Path
) -> AsyncIterator[tuple[Supervisor, Callable[[], Awaitable[bool]]]]:
    """Two workers and a bookkeeper; and whether all is settled."""
    versions = await read_versions(settings, "parked")
    supervisor = Supervisor(
        worker_services(
            settings, folder, versions, together=True, processes=2, log_level="critical"
        )
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))

    async def ready() -> bool:
        return supervisor.ready()

    async def at_rest() -> bool:
        return not await behind(settings, "parked") and not await waiting(settings)

    try:
        with bookkeeper(settings):
            await until(ready, "a worker is missing")
            yield supervisor, at_rest
            await books_read(settings)
    finally:
        stopping.set()
        assert await running, "a worker was put into quarantine"


async def survived(settings: Settings, folder: Path) -> None:
    version = await put(settings, folder)

    async def some_wait() -> bool:
        return bool(await waiting(settings))

    async with at_work(settings, folder) as (supervisor, at_rest):

        async def ready() -> bool:
            return supervisor.ready()

        for part in range(3):
            await until(ready, "a worker is missing")
            await give(settings, version, part * EVENTS // 3, EVENTS // 3)
            await until(some_wait, "nothing waits")
            for pid in supervisor.pids().values():
                os.kill(pid, signal.SIGKILL)
                if part % 2:
                    break
        await until(at_rest, "something is left")
    done = [orjson.loads(r.value or b"") for r in await records(settings, "done")]
    dead = [orjson.loads(r.value or b"")["n"] for r in await records(settings, "work.dead")]
    hopeless = [n for n in range(EVENTS) if n % 101 == 50]
    assert sorted(dead) == hopeless
    assert sorted(e["n"] for e in done) == [n for n in range(EVENTS) if n % 101 != 50]
    paths: dict[tuple[str, int], list[int]] = {}
    for event in done:
        paths.setdefault((event["of"], event["household"]), []).append(event["n"])
    assert all(ns == sorted(ns) for ns in paths.values())


async def put(settings: Settings, folder: Path) -> Version:
    checked = check_topology_file(folder / "topology.yaml", settings.names)
    assert checked.is_fit, checked.findings
    assert checked.topology
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    return (await publish_version(settings, derived, "a test")).version


async def give(settings: Settings, version: Version, first: int, number: int) -> None:
    async with open_client(make_producer(settings), settings) as client:
        sent = []
        for n in range(first, first + number):
            household = n * 31 % HOUSEHOLDS
            key, value = b"%d" % household, orjson.dumps({"n": n, "household": household})
            topic = version.events["left" if n % 2 else "right"].topic
            place = partition_for_key(key, 3)
            sent.append(await client.send(topic, value, key=key, partition=place))
        await asyncio.gather(*sent)


async def waiting(settings: Settings) -> list[bytes]:
    table = await read_table(settings, settings.names.retry_topic("parked", "work"))
    return [key for key in table if key.startswith(b"parked/")]


async def records(settings: Settings, of: str) -> list[Record]:
    topic = settings.names.event_topic("parked", of)
    return [record async for some in scan(settings, [topic]) for record in some]


async def letters(settings: Settings) -> list[dict[str, str]]:
    """What the dead letters say, without what became of them."""
    found = [dict(record.headers) for record in await records(settings, "work.dead")]
    return [
        {
            name[5:]: value.decode()
            for name, value in letter_headers.items()
            if name.startswith("dead_")
        }
        for letter_headers in found
        if "dead_stage" in letter_headers
    ]


def dies(settings: Settings, times: int) -> Callable[[], Awaitable[bool]]:
    async def died() -> bool:
        return len(await letters(settings)) >= times

    return died
