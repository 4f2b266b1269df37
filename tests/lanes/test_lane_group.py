"""Do lanes start and end as the group assigns partitions, whatever else happens?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from farandole.broker import kafka_clients
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes import lane_group
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.known_topics import KnownTopic
from farandole.lanes.lane_group import LaneGroup, MembershipError
from farandole.lanes.lane_port import LanePort, PlacedOffsets, StateTables
from farandole.lanes.lane_spec import LaneSpec
from farandole.lanes.lane_work import BatchResult, TimedWork
from farandole.services.dead_members import leave_groups
from tests.lanes.troupe import Troupe
from tests.session_template import SessionTemplate

pytestmark = pytest.mark.kafka


class Waiting:
    """Work that is under way until it may end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.handled = 0

    @property
    def deferred(self) -> None:
        return None

    @property
    def drained(self) -> None:
        return None

    @property
    def throttle(self) -> None:
        return None

    @property
    def timed(self) -> TimedWork | None:
        return None

    def open(self, tables: StateTables) -> None:
        pass

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        self.begun.set()
        await self.may_end.wait()
        self.handled += 1
        return BatchResult(1, {})

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        return BatchResult(1, {})

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None


def group(
    troupe: Troupe,
    work: Callable[[int], Any],
    port: Callable[[KafkaPort], LanePort] = lambda port: port,
    is_paused: Callable[[], bool] = lambda: False,
    topics: Callable[[], Mapping[str, KnownTopic]] = dict,
) -> LaneGroup:
    spec = LaneSpec(
        group=troupe.group,
        topics=[troupe.source],
        transactional_id=lambda lane: f"{troupe.group}:{lane}",
        work=work,
        drain_seconds=5,
        lost_offset_remedy="(a test)",
        wrap_port=port,
        is_paused=is_paused,
        known_topics=topics,
        changed_topic_remedy="(another test)",
    )
    return LaneGroup(troupe.settings, spec, isolation=asyncio.Lock())


@pytest.fixture
async def troupe(settings: Settings, tmp_path: Any, session_template: SessionTemplate) -> Troupe:
    troupe = Troupe(settings, tmp_path, session_template)
    await troupe.prepare()
    return troupe


async def test_a_rebalance_while_the_last_lanes_drain_starts_no_new_ones(troupe: Troupe) -> None:
    works = [Waiting(), Waiting()]
    member = group(troupe, works.__getitem__)
    stopping = asyncio.Event()
    running = asyncio.create_task(member.run(stopping))
    await troupe.give(10)
    async with asyncio.timeout(60):
        for work in works:
            await work.begun.wait()
    stopping.set()
    await asyncio.sleep(0)
    tps = {TopicPartition(troupe.source, p) for p in (0, 1)}
    drain = asyncio.create_task(member.on_partitions_revoked(tps))
    for work in works:
        work.may_end.set()
    await drain
    await member.on_partitions_assigned(tps)
    assert not member._tasks
    await running
    assert not member._tasks


class Alarm(Waiting):
    """Work that is to be woken at once, and then once again."""

    def __init__(self, into: Partition) -> None:
        super().__init__()
        self.told: list[PlacedOffsets] = []
        self._into = into
        self._next: float | None = time.monotonic()

    @property
    def timed(self) -> TimedWork | None:
        return self

    def wake_in(self) -> float | None:
        return None if self._next is None else self._next - time.monotonic()

    async def on_wake(self) -> BatchResult | None:
        assert self._next is not None
        assert time.monotonic() >= self._next  # never early
        self._next = time.monotonic() + 0.05 if not self.told else None
        return BatchResult(0, {self._into: [OutgoingRecord(None, b"woken")]}, placed=[self._into])

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        self.told += [offsets]


async def test_a_lane_into_which_nothing_comes_is_woken_at_its_times(troupe: Troupe) -> None:
    works = [Alarm(Partition(troupe.target, lane)) for lane in (0, 1)]
    member = group(troupe, works.__getitem__)
    stopping = asyncio.Event()
    running = asyncio.create_task(member.run(stopping))
    async with asyncio.timeout(60):
        while not all(len(work.told) == 2 for work in works):
            await asyncio.sleep(0.02)
    stopping.set()
    await running
    for lane, work in enumerate(works):
        # The marker of the first transaction takes an offset as well.
        assert work.told == [
            {Partition(troupe.target, lane): [0]},
            {Partition(troupe.target, lane): [2]},
        ]


async def test_a_stop_takes_effect_between_the_parts_of_a_fetched_batch(troupe: Troupe) -> None:
    works = [Waiting(), Waiting()]
    member = group(troupe, works.__getitem__)
    stopping = asyncio.Event()
    running = asyncio.create_task(member.run(stopping))
    await troupe.give(200)
    async with asyncio.timeout(60):
        for work in works:
            await work.begun.wait()
    stopping.set()
    await asyncio.sleep(0.01)  # let `run` hear it
    for work in works:
        work.may_end.set()
    await running
    assert all(work.handled <= 2 for work in works)


async def test_a_pause_takes_effect_between_the_parts_of_a_fetched_batch(troupe: Troupe) -> None:
    works = [Waiting(), Waiting()]
    asked = 0
    paused = asyncio.Event()

    def holding() -> bool:
        nonlocal asked
        asked += paused.is_set()
        return paused.is_set()

    member = group(troupe, works.__getitem__, is_paused=holding)
    stopping = asyncio.Event()
    running = asyncio.create_task(member.run(stopping))
    await troupe.give(20)
    async with asyncio.timeout(60):
        for work in works:
            await work.begun.wait()
        paused.set()
        for work in works:
            work.may_end.set()
        while asked < 6:  # twice at least by each lane
            await asyncio.sleep(0.05)
        assert [work.handled for work in works] == [1, 1]
        paused.clear()
        while [work.handled for work in works] != [10, 10]:
            await asyncio.sleep(0.05)
        paused.set()  # one that is paused hears a stop all the same
        stopping.set()
        await running


async def test_an_error_in_coordination_ends_the_member_though_it_has_no_lanes(
    troupe: Troupe,
) -> None:
    member = group(troupe, lambda _: Waiting())
    running = asyncio.create_task(member.run(asyncio.Event()))
    async with asyncio.timeout(60):
        while not member.running_lanes:
            await asyncio.sleep(0.05)
    member._membership.consumer._coordinator._pending_exception = RuntimeError("no such group")
    with pytest.raises(MembershipError, match="no such group"):
        await running


async def test_the_lanes_of_a_process_that_died_go_on_before_its_session_ends(
    troupe: Troupe,
) -> None:
    dead = troupe.start(client_id="dead", session_timeout=120)
    member = group(troupe, lambda _: Waiting())
    stopping = asyncio.Event()
    try:
        await troupe.joined(dead)
        running = asyncio.create_task(member.run(stopping))
        async with asyncio.timeout(60):
            while len(member.running_lanes) != 1:
                await asyncio.sleep(0.05)
            dead.kill()
            dead.wait()
            await leave_groups(troupe.settings, "dead")
            while len(member.running_lanes) != 2:
                await asyncio.sleep(0.05)
    finally:
        troupe.end()
        stopping.set()
    await running


async def test_a_subscription_that_changes_while_lanes_open_breaks_nothing(
    troupe: Troupe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions come one right after the other, and the second within the births of the first:
    until the next rebalance aiokafka knows of no assignment."""
    works = [Waiting(), Waiting()]
    ports: list[KafkaPort] = []
    seek = KafkaPort.seek

    def meanwhile(self: KafkaPort, offsets: Mapping[Partition, int]) -> None:
        if len(ports) == 2:
            member.subscribe([troupe.source, troupe.source + "-more"])
        seek(self, offsets)

    monkeypatch.setattr(KafkaPort, "seek", meanwhile)

    def noted(port: KafkaPort) -> LanePort:
        ports.append(port)
        return port

    member = group(troupe, works.__getitem__, noted)
    stopping = asyncio.Event()
    running = asyncio.create_task(member.run(stopping))
    await troupe.give(10)
    async with asyncio.timeout(60):
        for work in works:
            await work.begun.wait()
            work.may_end.set()
    assert len(ports) > 2
    stopping.set()
    await running


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_true():
            await asyncio.sleep(0.02)


async def id_of(admin: ClusterAdmin, topic: str) -> str:
    return (await admin.topic_ids([topic]))[topic]


async def test_a_lane_stops_at_a_topic_that_was_created_again(
    troupe: Troupe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its position lies within the new topic, too: it would skip what stands before it."""
    monkeypatch.setattr(kafka_clients, "_GROUP_METADATA_AGE_MS", 200)
    monkeypatch.setattr(lane_group, "_TOPIC_WATCH_SECONDS", 0.1)
    async with ClusterAdmin.open(troupe.settings) as admin:
        known = {
            troupe.source: KnownTopic(2, (await admin.topic_ids([troupe.source]))[troupe.source])
        }
        works = [Waiting(), Waiting()]
        for work in works:
            work.may_end.set()
        member = group(troupe, works.__getitem__, topics=lambda: known)
        stopping = asyncio.Event()
        running = asyncio.create_task(member.run(stopping))
        await troupe.give(4)
        await until(lambda: [work.handled for work in works] == [2, 2])
        with capture_logs() as logs:
            await admin.delete_topics([troupe.source])
            await admin.create_topics({troupe.source: TopicSpec(2)})
            await troupe.give(10)
            again = "was deleted and created again: its offsets begin anew; (another test)"
            await until(lambda: {n["lane"] for n in logs if again in n.get("detail", "")} == {0, 1})
        handled = [work.handled for work in works]
        await troupe.prepare()  # as the router does when it publishes the version with the new id
        known = {
            troupe.source: KnownTopic(2, (await admin.topic_ids([troupe.source]))[troupe.source])
        }
        await until(lambda: all(w.handled >= n + 5 for w, n in zip(works, handled, strict=True)))
    stopping.set()
    await running


async def test_no_lane_opens_over_a_partition_that_others_have_added(troupe: Troupe) -> None:
    works = [Waiting(), Waiting()]
    for work in works:
        work.may_end.set()
    member = group(troupe, works.__getitem__, topics=lambda: {troupe.source: KnownTopic(1, None)})
    stopping = asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(member.run(stopping))
        await troupe.give(4)
        said = f"{troupe.source} has a partition 1, and the published version knows 1 partitions"
        await until(lambda: any(said in note.get("detail", "") for note in logs))
        await until(lambda: works[0].handled == 2)
    assert works[1].handled == 0
    stopping.set()
    await running
