"""Is the work exact when a network divides three brokers, and how soon does it go on?

`make soak TEST=tests/soak/test_partition.py`, by somebody who may make network namespaces (root).
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Container, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.topology_version import Version
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, books_read
from tests.books.stand import PIPELINE, PLAIN, ask, at_rest, counted, faults, linked, put, rows
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.soak.chaos import until
from tests.soak.network import MACHINE, Network, network, refusal
from tests.soak.partitioned_kafka import (
    NODES,
    PartitionedKafka,
    coordinator,
    partitioned_kafka,
)

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

log = structlog.get_logger()

FIRST, SECOND = 4, 5  # the hosts of the two workers
LANES = 8  # of each stage: the zombie asks a broker at random who coordinates its group
ITEMS = 200
PATIENCE = 240.0
FED = 50  # items of each run that is fed all the time
OUTAGE = 60.0  # seconds for which a broker is lost: twice Kafka's `request.timeout.ms`


@pytest.fixture
def hosts() -> Iterator[Network]:
    why = refusal()
    if why is not None:
        pytest.skip(why)
    with network(5) as made:
        yield made


@pytest.fixture
def kafka3(hosts: Network, tmp_path: Path) -> Iterator[PartitionedKafka]:
    with partitioned_kafka(hosts, tmp_path / "kafka") as running:
        yield running


class Worker:
    """A process that hosts all stages, on a host of its own."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output

    def events(self, group: str) -> list[tuple[str, int | None]]:
        """What the process has logged of a group: the event, and its lane."""
        whole, _, _ = self._output.read_bytes().rpartition(b"\n")
        found = (orjson.loads(line) for line in whole.splitlines() if line.startswith(b"{"))
        return [(each["event"], each.get("lane")) for each in found if each.get("group") == group]

    def lanes(self, group: str) -> set[int | None]:
        """The lanes of a group that are open."""
        found: set[int | None] = set()
        for event, lane in self.events(group):
            if event == "group.assigned":
                found = set()
            elif event == "lane.born":
                found.add(lane)
            elif event in ("lane.died", "lane.expelled"):
                found.discard(lane)
        return found


@contextmanager
def worker(
    hosts: Network, host: int, settings: Settings, folder: Path, version: Version
) -> Iterator[Worker]:
    (service,) = worker_services(
        settings, folder, {version.version: version}, together=True, log_level="debug"
    )
    output = folder / f"worker-{host}.log"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*hosts.inside(host), *service.argv],
            env=dict(service.environment), cwd=folder, stdout=sink, stderr=sink,
        )  # fmt: skip
    try:
        yield Worker(process, output)
    finally:
        process.kill()
        process.wait()


def all_open(settings: Settings, *workers: Worker) -> bool:
    """Each lane of each stage is open in one of the workers."""
    groups = {stage: settings.names.stage_group(PIPELINE, stage) for stage in PLAIN}
    return all(
        sum(len(each.lanes(group)) for each in workers) == (1 if stage == "plan" else LANES)
        for stage, group in groups.items()
    )


async def rested(settings: Settings) -> None:
    """Wait until everything is settled and in the books. Right after a fault Kafka may not yet
    answer."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            await at_rest(settings)
            await books_read(settings)
            return
        except (BrokerError, AssertionError):
            if time.monotonic() > ends:
                raise


async def assert_exact(settings: Settings, runs: int, items: int = ITEMS) -> None:
    """Assert that each run was completed once, and that its row agrees with a count of the topics
    at `read_committed`, which is that of its events, each once."""
    found, completed = await rows(settings)
    counts = await counted(settings)
    assert len(counts) == runs
    assert completed == dict.fromkeys(counts, 1)
    assert [f for run, count in counts.items() for f in faults(found[run], count)] == []
    made = {"item": items, "made": items, "checked": items * 9 // 10}
    for count in counts.values():
        assert (count.events, count.dead) == (made, {"load": items // 50})


def test_a_zombie_of_a_coordinator_that_is_cut_off_doubles_nothing(
    kafka3: PartitionedKafka, tmp_path: Path, unset: None
) -> None:
    """The coordinator of the group of `make` is cut off from everybody but the first worker, and
    this one from the other brokers. The coordinator still tells it that its lanes are its own.
    (They are idle, and nobody else belongs to the group: Kafka answers nothing to a group for which
    it cannot write.) A second worker gets all lanes from another coordinator, works four runs, and
    is idle. Then the first one reaches the other brokers: it reads the events of these runs, is
    fenced, opens its lanes again, fences the second one, and reads the offsets that its coordinator
    still has. Whatever it then commits is doubled: without member and generation in its commits,
    this test fails."""
    folder, hosts = linked(tmp_path), kafka3.network

    async def divided() -> None:
        settings = kafka3.settings
        version = await put(settings, folder, partitions=LANES)
        group = settings.names.stage_group(PIPELINE, "make")
        with (
            bookkeeper(settings),
            worker(hosts, FIRST, settings, folder, version) as first,
        ):
            await until(lambda: all_open(settings, first), PATIENCE, "the lanes are not open")
            await ask(settings, version, 2, ITEMS)
            await rested(settings)
            island, before = await coordinator(settings, group), len(first.events(group))
            others = [node for node in NODES if node != island]
            rest = kafka3.settings_by(others)
            hosts.cut(island, [*others, SECOND, MACHINE])
            hosts.cut(FIRST, others)
            log.info("partition.cut", node=island)
            await kafka3.election_without(island)
            with worker(hosts, SECOND, rest, folder, version) as second:
                await until(lambda: all_open(settings, second), PATIENCE, "nobody took over")
                await ask(rest, version, 4, ITEMS)
                await rested(rest)
                hosts.heal(FIRST, others)
                log.info("partition.joined")
                await zombie_ends(rest, lambda: dict(first.events(group)[before:]))
                seen = Counter(event for event, _ in first.events(group)[before:])
                log.info("partition.ended", zombie=dict(seen))
                hosts.heal(island, [*others, SECOND, MACHINE])
                await ask(settings, version, 2, ITEMS)
                await rested(settings)
                await assert_exact(settings, 8)

    asyncio.run(divided())
    assert_clean(kafka3.settings, folder)


async def zombie_ends(settings: Settings, seen: Callable[[], Container[str]]) -> None:
    """Wait until a lane that was opened again is refused. Fails if it has doubled something."""
    ends = time.monotonic() + PATIENCE
    while "lane.expelled" not in seen():
        assert time.monotonic() < ends, f"no zombie was refused: {seen()}"
        with suppress(BrokerError):
            assert await doubled(settings) == {}
        await asyncio.sleep(0.1)
    assert "lane.born" in seen()


async def doubled(settings: Settings) -> dict[tuple[str, str], int]:
    """Return how many events are in the topics twice, by run and type."""
    surplus = {
        (run, event_type): count.events[event_type] - len(ids)
        for run, count in (await counted(settings)).items()
        for event_type, ids in count.ids.items()
    }
    return {where: events for where, events in surplus.items() if events}


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_every_stage_flows_again_after_a_broker_is_lost(
    kafka3: PartitionedKafka, tmp_path: Path, unset: None, how: str
) -> None:
    """How long it takes is logged, beside how long the election of new leaders takes."""
    folder, hosts = linked(tmp_path), kafka3.network

    async def lost() -> None:
        settings = kafka3.settings
        version = await put(settings, folder, partitions=LANES)
        with (
            bookkeeper(settings),
            worker(hosts, FIRST, settings, folder, version) as first,
            worker(hosts, SECOND, settings, folder, version) as second,
        ):
            await until(
                lambda: all_open(settings, first, second), PATIENCE, "the lanes are not open"
            )
            node = await coordinator(settings, settings.names.stage_group(PIPELINE, "make"))
            async with fed(settings, version) as runs:
                await until(lambda: len(runs) > 50, PATIENCE, "nothing is fed")
                moment = time.time()
                kafka3.kill(node) if how == "killed" else hosts.unplug(node)
                election = await kafka3.election_without(node)
                await asyncio.sleep(OUTAGE)  # the fault itself
            if how == "killed":
                kafka3.start(node)
            else:
                hosts.plug(node)
            await kafka3.serving()
            await rested(settings)
            again = {
                stage: round(seconds, 1)
                for stage, seconds in (await silences(settings, moment)).items()
            }
            log.info("partition.failover", how=how, election=round(election, 1), again=again)
            assert again.keys() == PLAIN.keys()
            assert max(again.values()) < OUTAGE, "a stage waits for the broker's return"
            await assert_exact(settings, len(runs), FED)

    asyncio.run(lost())
    assert_clean(kafka3.settings, folder)


@asynccontextmanager
async def fed(settings: Settings, version: Version) -> AsyncIterator[list[None]]:
    """Open runs, one after the other, all the time. The list has an element for each."""
    runs: list[None] = []
    stopping = asyncio.Event()

    async def feed() -> None:
        client = make_producer(settings)
        value = orjson.dumps({"items": FED})
        async with open_client(client, settings):
            while not stopping.is_set():
                await client.send_and_wait(version.events["asked"].topic, value)
                runs.append(None)
                await asyncio.sleep(0.05)

    feeding = asyncio.create_task(feed())
    try:
        yield runs
    finally:
        stopping.set()
        await feeding


async def silences(settings: Settings, since: float) -> dict[str, float]:
    """Return for each stage how many seconds after `since` the longest silence of one of its lanes
    ends, by the times in the entries that were committed."""
    times: dict[tuple[str, int], list[float]] = defaultdict(list)
    async for records in scan(settings, [settings.names.ledger_topic]):
        for record in records:
            entry = orjson.loads(record.value or b"")
            of_lane = times[entry["stage"], entry["lane"]]
            if since < (at := entry["at"] / 1000) < since + OUTAGE:
                of_lane.append(at)
    found: dict[str, float] = defaultdict(float)
    for (stage, _), of_lane in times.items():
        gaps = pairwise([since, *sorted(of_lane), since + OUTAGE])
        _, end = max(gaps, key=lambda gap: gap[1] - gap[0])
        found[stage] = max(found[stage], end - since)
    return found
