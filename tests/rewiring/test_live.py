"""Does a running pipeline follow its file, though its workers are killed?"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.catalog.active_stages import active_stages
from farandole.catalog.published_versions import follow_versions, read_versions
from farandole.events.key_partitioner import partition_for_key
from farandole.events.record import Record
from farandole.events.topology_version import Version
from farandole.lanes.lane_work import BatchResult
from farandole.router.topology_derivation import DerivedTopology, derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.topology_store import read_topology
from farandole.router.version_publisher import publish_version
from farandole.services import restart_policy
from farandole.services.router_service import create_state_topics
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import settings_environment, worker_services
from farandole.worker.control_follower import follow_control_state
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.lane_processor import LaneProcessor
from farandole.worker.stage_host import StageHost
from tests.books.clean import assert_clean, books_read
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.accounts import Ended, faults
from tests.rewiring.edits import EDITS, FORKED, FUNCTION, PLAIN, ROOT_PARTITIONS, Stages, text

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
ROOTS = "asked"


async def edit(settings: Settings, folder: Path, stages: Stages, partitions: int = 3) -> Version:
    return await put(settings, folder, text(stages, partitions))


async def put(settings: Settings, folder: Path, written: str) -> Version:
    derived = described(settings, folder, written)
    return (await publish_version(settings, derived, "a test")).version


def described(settings: Settings, folder: Path, written: str) -> DerivedTopology:
    file = folder / "topology.yaml"
    file.write_text(written)
    checked = check_topology_file(file, settings.names)
    assert checked.is_fit, checked.findings
    assert checked.topology
    return derive_topology(checked.topology, checked.signatures, settings.names)


@asynccontextmanager
async def feeding(settings: Settings, topic: str, partitions: int) -> AsyncIterator[list[int]]:
    """Roots without a header, as fast as they are taken, until the block ends."""
    given = [0]
    enough = asyncio.Event()

    async def feed() -> None:
        async with open_client(make_producer(settings), settings) as client:
            while not enough.is_set():
                household = given[0] % 17
                key = b"%d" % household
                value = orjson.dumps({"n": given[0], "household": household})
                await client.send_and_wait(
                    topic, value, key=key, partition=partition_for_key(key, partitions)
                )
                given[0] += 1

    task = asyncio.create_task(feed())
    try:
        yield given
    finally:
        enough.set()
        await task


@asynccontextmanager
async def at_work(
    settings: Settings, folder: Path, processes: int, *, together: bool = True
) -> AsyncIterator[Supervisor]:
    """So many processes, each of which hosts whatever stages there are, or of each stage."""
    supervisor = Supervisor(
        worker_services(
            settings,
            folder,
            await read_versions(settings, "rewired"),
            together=together,
            processes=processes,
            log_level=os.environ.get("REWIRING_LOG", "critical"),
        )
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        await until(supervisor.ready, "the workers are not ready")
        yield supervisor
    finally:
        stopping.set()
        assert await running, "a worker was put into quarantine"


async def until(condition: Callable[[], object], otherwise: str, seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, otherwise
        await asyncio.sleep(0.02)


async def at_rest(settings: Settings) -> None:
    """Return when every stage of every version has read all there is."""
    ends = time.monotonic() + 100
    while lags := await behind(settings):
        assert time.monotonic() < ends, lags
        await asyncio.sleep(0.1)


async def behind(settings: Settings, pipeline: str = "rewired") -> dict[str, int]:
    """Offsets that are unread, by stage."""
    stages = active_stages(await read_versions(settings, pipeline))
    names = settings.names
    found = {}
    async with ClusterAdmin.open(settings) as admin:
        widths = await admin.all_topics()
        # From the roots on: what one stage emits while it is asked is seen at the next.
        for _ in range(2):
            for name, stage in stages.items():
                tps = [TopicPartition(t, i) for t in stage.topics for i in range(widths[t])]
                done = await admin.committed_offsets(names.stage_group(pipeline, name), tps)
                ends = await admin.end_offsets(tps)
                read = {tp: at.offset for tp, at in done.items() if at is not None}
                lag = sum(ends[tp] - read.get(tp, 0) for tp in tps)
                if lag:
                    found[name] = lag
    return found


async def everything(settings: Settings) -> tuple[list[Record], list[Record]]:
    """All events, and all dead letters."""
    versions = await read_versions(settings, "rewired")
    topics = sorted({e.topic for v in versions.values() for e in v.events.values()})
    dead = [settings.names.dead_topic("rewired", stage) for stage in active_stages(versions)]
    events = [record async for records in scan(settings, topics) for record in records]
    return events, [record async for records in scan(settings, dead) for record in records]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").symlink_to(HERE / "pipeline" / "stages")
    return tmp_path


def test_edits_under_load_lose_and_double_nothing(settings: Settings, folder: Path) -> None:
    """Each event is handled once, by exactly the stages of its version; workers are killed."""
    asyncio.run(survived(settings, folder, [*EDITS.values()], seed=7))
    assert_clean(settings, folder)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_edits_under_load_lose_and_double_nothing(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Killed at every edit, before it has settled an event: no reason to put it aside.
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 10**6)
    die = random.Random(11)
    edits = [die.choice([PLAIN, *EDITS.values()]) for _ in range(30)]
    asyncio.run(survived(settings, folder, edits, seed=11))
    assert_clean(settings, folder)


async def survived(settings: Settings, folder: Path, edits: Sequence[Stages], *, seed: int) -> None:
    die = random.Random(seed)
    first = await edit(settings, folder, PLAIN)
    with bookkeeper(settings):
        async with at_work(settings, folder, processes=2) as supervisor:
            async with feeding(settings, first.events[ROOTS].topic, ROOT_PARTITIONS) as given:
                for stages in edits:
                    before = given[0]
                    await until(lambda b=before: given[0] > b + 150, "no root was taken")  # type: ignore[misc]
                    # One that is killed again and again before it has done anything is put aside.
                    await until(supervisor.ready, "a worker is missing")
                    if die.random() < 0.5:
                        killed(supervisor, die)
                        await edit(settings, folder, stages)
                    else:
                        await edit(settings, folder, stages)
                        killed(supervisor, die)
                before = given[0]
                await until(lambda: given[0] > before + 150, "no root was taken")
            await at_rest(settings)
        await books_read(settings)
    records, letters = await everything(settings)
    versions = await read_versions(settings, "rewired")
    wanted = 1 + sum(a != b for a, b in pairwise([PLAIN, *edits]))
    assert len(versions) == wanted
    roots = [r for r in records if r.topic == first.events[ROOTS].topic]
    assert len(roots) == given[0]
    assert faults(versions, records, letters) == []


def killed(supervisor: Supervisor, die: random.Random) -> None:
    """Kill -9 one of the workers; one that an edit has just ended by itself is as good."""
    with suppress(ProcessLookupError):
        os.kill(die.choice([*supervisor.pids().values()]), signal.SIGKILL)


async def test_a_keyed_topic_that_grows_and_shrinks_loses_and_doubles_nothing(
    settings: Settings, folder: Path
) -> None:
    """A stage reads the old topics and the new ones side by side, each index in one place."""
    first = await edit(settings, folder, PLAIN)
    async with at_work(settings, folder, processes=2) as supervisor:
        async with feeding(settings, first.events[ROOTS].topic, ROOT_PARTITIONS) as given:
            for partitions in (5, 2, 3):
                before = given[0]
                await until(lambda b=before: given[0] > b + 150, "no root was taken")  # type: ignore[misc]
                await edit(settings, folder, PLAIN, partitions)
            os.kill(next(iter(supervisor.pids().values())), signal.SIGKILL)
            before = given[0]
            await until(lambda: given[0] > before + 150, "no root was taken")
        await at_rest(settings)
    records, letters = await everything(settings)
    versions = await read_versions(settings, "rewired")
    widths = [v.events["made"].partitions for _, v in sorted(versions.items())]
    topics = {v.events["made"].topic for v in versions.values()}
    assert (widths, len(topics)) == ([3, 5, 2, 3], 3)
    assert faults(versions, records, letters) == []


@pytest.mark.soak
async def test_topics_that_others_change_cost_only_what_was_in_them(
    settings: Settings, folder: Path
) -> None:
    """Widened in the middle of work; then one is deleted and created again, with fewer partitions,
    while all lanes are open. A worker is killed after each."""
    first = await edit(settings, folder, PLAIN)
    made = first.events["made"].topic
    async with at_work(settings, folder, processes=2) as supervisor:
        async with feeding(settings, first.events[ROOTS].topic, ROOT_PARTITIONS) as given:
            await until(lambda: given[0] > 150, "no root was taken")
            async with ClusterAdmin.open(settings) as admin:
                emitted = [first.events[name].topic for name in ("taken", "made", "given")]
                await admin.create_topics({t: TopicSpec(5, grows=True) for t in emitted})
            killed(supervisor, random.Random(1))
            wider = await edit(settings, folder, PLAIN, 5)
            await until(lambda: given[0] > 400, "no root was taken")
        await at_rest(settings)
        held = [record async for records in scan(settings, [made]) for record in records]
        async with ClusterAdmin.open(settings) as admin:
            (id_,) = (await admin.topic_ids([made])).values()
            await admin.delete_topics([made])
            await admin.create_topics({made: TopicSpec(2)})
        async with feeding(settings, first.events[ROOTS].topic, ROOT_PARTITIONS) as given:
            await until(lambda: given[0] > 150, "no root was taken")
            killed(supervisor, random.Random(2))
            again = await edit(settings, folder, PLAIN, 5)
            await until(lambda: given[0] > 400, "no root was taken")
        await at_rest(settings)
    assert (wider.events["made"].topic, wider.events["made"].partitions) == (made, 5)
    assert (again.events["made"].topic, again.events["made"].life) == (made, 2)
    records, letters = await everything(settings)
    versions = await read_versions(settings, "rewired")
    everything_read = {("give", index): 2**60 for index in range(5)}
    ended = [Ended(made, id_, held, everything_read, wider.version)]
    assert faults(versions, records, letters, ended) == []
    assert len({r.key for r in records if r.topic == made}) > 1


async def test_a_root_in_the_wrong_partition_is_worked_once_in_its_own(
    settings: Settings, folder: Path
) -> None:
    """As kcat writes it, whose partitioner is not Kafka's; two stages subscribe to it."""
    first = await edit(settings, folder, FORKED)
    topic = first.events[ROOTS].topic
    async with open_client(make_producer(settings), settings) as client:
        for n in range(60):
            value = orjson.dumps({"n": n, "household": n})
            await client.send_and_wait(topic, value, key=b"%d" % n, partition=n % ROOT_PARTITIONS)
    async with at_work(settings, folder, processes=1):
        await at_rest(settings)
    records, letters = await everything(settings)
    assert letters == []
    for emitted in ("taken", "noted"):
        answers = [r for r in records if r.topic == first.events[emitted].topic]
        assert sorted(orjson.loads(r.value or b"")["n"] for r in answers) == list(range(60))
        for record in answers:
            cause = dict(record.headers)["ce_id"].decode().split("/")
            assert int(cause[1]) == partition_for_key(record.key or b"", ROOT_PARTITIONS)


async def test_a_rewire_needs_no_restart(settings: Settings, folder: Path) -> None:
    first = await edit(settings, folder, PLAIN)
    async with at_work(settings, folder, processes=1) as supervisor:
        pids = supervisor.pids()
        version = await edit(settings, folder, EDITS["insert a stage between two"])
        async with feeding(settings, first.events[ROOTS].topic, ROOT_PARTITIONS):
            topic = version.events["given"].topic
            async for records in scan(settings, [topic], follow=True):
                paths = [orjson.loads(r.value or b"")["path"] for r in records]
                if ["take", "check", "make", "give"] in paths:
                    break
        assert supervisor.pids() == pids


VERSION = "ce_topologyversion"


async def test_other_alerts_disturb_no_lane(settings: Settings, folder: Path) -> None:
    # A busy machine must not end the session of its group.
    settings = settings.model_copy(update={"session_timeout": 30.0})
    first = await edit(settings, folder, PLAIN)
    with capture_logs() as logs:
        async with hosted(settings) as host:
            await until(lambda: _lanes(host) == 9, "the lanes are not born")
            before = len(logs)
            alerts = "\nalerts: {email: ops@example.com}\n"
            second = await put(settings, folder, text(PLAIN) + alerts)
            wired = ("worker.wired", second.name)
            await until(
                lambda: wired in [(log["event"], log.get("version")) for log in logs],
                "nobody has heard of the version",
            )
            async with feeding(settings, first.events[ROOTS].topic, ROOT_PARTITIONS):
                async for records in scan(settings, [first.events["given"].topic], follow=True):
                    if any((VERSION, second.name.encode()) in r.headers for r in records):
                        break
            seen = {log["event"] for log in logs[before:]}
    assert not {event for event in seen if event.startswith(("lane.", "group."))}


async def test_lanes_of_older_versions_keep_their_state_as_soon_as_there_is_a_topic_for_it(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is as an earlier release has published it; the router of this one starts while
    the lanes are at work. Applying the same file again publishes nothing."""

    def on_idle(self: LaneProcessor) -> BatchResult | None:
        self.state.put(b"test/idle", b"yes")
        return idle(self)

    idle = LaneProcessor.on_idle
    monkeypatch.setattr(LaneProcessor, "on_idle", on_idle)
    monkeypatch.setattr("farandole.worker.stage_host._STATE_TOPIC_SECONDS", 0.5)
    plain = described(settings, folder, text(PLAIN, 3))
    stages = {n: s.model_copy(update={"state": None}) for n, s in plain.stages.items()}
    topics = [settings.names.state_topic("rewired", stage) for stage in stages]
    older = {t: spec for t, spec in plain.topics.items() if t not in topics}
    await publish_version(settings, replace(plain, stages=stages, topics=older), "an older one")
    async with hosted(settings) as host:
        await until(lambda: _lanes(host) == 9, "the lanes are not born")
        await create_state_topics(settings, await read_topology(settings))
        async with asyncio.timeout(120):
            for topic in topics:
                while len({r.partition for r in await read_all(settings, topic)}) < 3:
                    await asyncio.sleep(0.2)
    assert not (await publish_version(settings, plain, "the next one")).changed


async def read_all(settings: Settings, topic: str) -> list[Record]:
    return [record async for records in scan(settings, [topic]) for record in records]


@asynccontextmanager
async def hosted(settings: Settings) -> AsyncIterator[StageHost]:
    """All stages, in this process."""
    async with (
        follow_versions(settings, "rewired") as known,
        follow_control_state(settings, "rewired") as asked,
    ):
        host = StageHost(settings, known, asked, (), Heartbeat(None))
        running = asyncio.create_task(host.run())
        try:
            yield host
        finally:
            host.drain()
            await running


def _lanes(host: StageHost) -> int:
    return sum(count() for count in host.lanes.values())


OWN = """
from pydantic import BaseModel
from tests.rewiring.pipeline.stages.rewired.step import Item


class Given(BaseModel):
    n: int
    household: int
    {more}


def own(item: Item) -> Given:
    return Given(n=item.n, household=item.household)
"""


async def test_a_function_with_another_schema_is_worked_by_a_new_process(
    settings: Settings, tmp_path: Path
) -> None:
    """What a process has imported it cannot import anew; its version was made for the file."""
    stages = tmp_path / "stages" / "rewired_own"
    stages.mkdir(parents=True)
    (tmp_path / "stages" / "rewired").symlink_to(HERE / "pipeline" / "stages" / "rewired")
    wired = {"own": ("asked", "given")}
    file, function = tmp_path / "topology.yaml", stages / "own.py"
    own = OWN.replace("tests.rewiring.pipeline.", "")
    function.write_text(own.replace("{more}", ""))
    file.write_text(text(wired).replace(FUNCTION, "stages.rewired_own.own:own"))
    first = await fresh(settings, file)
    async with at_work(settings, tmp_path, processes=1) as supervisor:
        before = supervisor.pids()
        async with feeding(settings, first.events[ROOTS].topic, ROOT_PARTITIONS):
            # A process that has not imported the function yet would import the new one.
            await seen(settings, first, lambda data: "n" in data)
            function.write_text(own.replace("{more}", "colour: str = 'red'"))
            version = await fresh(settings, file)
            assert version.version == 2
            await seen(settings, version, lambda data: "colour" in data)
        assert supervisor.pids() != before
    async for records in scan(settings, [version.events["given"].topic]):
        for record in records:
            of = dict(record.headers)["ce_topologyversion"].decode()
            assert of == "rewired@1" or "colour" in orjson.loads(record.value or b"")


async def seen(
    settings: Settings, version: Version, wanted: Callable[[dict[str, object]], bool]
) -> None:
    """Wait for an event `given` with such data."""
    async for records in scan(settings, [version.events["given"].topic], follow=True):
        if any(wanted(orjson.loads(record.value or b"")) for record in records):
            return


async def fresh(settings: Settings, file: Path) -> Version:
    """Apply a file in a process that has imported nothing yet."""
    command = [sys.executable, "-m", "farandole", "-C", str(file.parent), "apply"]
    child = await asyncio.create_subprocess_exec(
        *command,
        env={
            **os.environ,
            **settings_environment(settings),
            "FARANDOLE_BOOTSTRAP": settings.bootstrap or "",
        },
    )
    assert await child.wait() == 0
    versions = await read_versions(settings, "rewired")
    return versions[max(versions)]


LATE = """
from pydantic import BaseModel

class Item(BaseModel):
    n: int

def first(item: Item) -> Item:
    return item
"""


def late(settings: Settings, folder: Path) -> DerivedTopology:
    """A pipeline whose one function stands in a module of the folder."""
    (folder / "late.py").write_text(LATE)
    file = folder / "topology.yaml"
    only = "{subscribes: a, emits: b, run: 'late:first'}"
    file.write_text(f"pipeline: rewired\nstages: {{only: {only}}}\n")
    checked = check_topology_file(file, settings.names, folder)
    assert checked.topology
    return derive_topology(checked.topology, checked.signatures, settings.names)


async def test_a_process_that_has_old_code_makes_room_for_one_that_fits(
    settings: Settings, tmp_path: Path
) -> None:
    """The file names a function that was written into a module after a worker had imported it."""
    derived = late(settings, tmp_path)
    version = (await publish_version(settings, derived, "a test")).version
    async with at_work(settings, tmp_path, 1, together=False):
        (tmp_path / "late.py").write_text(LATE.replace("first", "second"))
        second = derived.stages["only"].model_copy(update={"run": "late:second"})
        await publish_version(settings, replace(derived, stages={"only": second}), "a test")
        async with open_client(make_producer(settings), settings) as client:
            await client.send_and_wait(version.events["a"].topic, b'{"n": 1}')
        await at_rest(settings)
    events, letters = await everything(settings)
    assert ([r.topic for r in events], letters) == (
        [version.events["a"].topic, version.events["b"].topic],
        [],
    )


async def test_a_stage_that_went_away_with_its_code_is_no_crash(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 1)
    derived = late(settings, tmp_path)
    gone = derived.stages["only"].model_copy(update={"run": "no_such_module:gone"})
    await publish_version(
        settings, replace(derived, stages={**derived.stages, "gone": gone}), "a test"
    )
    await publish_version(settings, derived, "a test")
    async with at_work(settings, tmp_path, 1, together=False) as supervisor:
        await until(lambda: "only" in supervisor.reports(), "the other stage is not at work")
        assert "gone" in supervisor.pids()
