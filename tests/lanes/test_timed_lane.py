"""Does a lane wake its work at times of the work's own, exactly once each, and say where its
records stand?"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.lane_port import CommittedOffset, OutcomeUnknownError, PlacedOffsets
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult, LaneWork
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedLock, SimulatedPort
from tests.lanes.world import LANES, Doubling, World, state
from tests.seeds import seeds

IN, OUT, LOG = (Partition(topic, 0) for topic in ("in", "out", "log"))


@dataclass
class Clock:
    """Says in how many seconds the work is to be woken, as a test sets it."""

    seconds: float | None = None
    made: int = 0

    def wake_in(self) -> float | None:
        return self.seconds

    async def on_wake(self) -> BatchResult | None:
        self.made += 1
        return BatchResult(
            0,
            {
                OUT: [OutgoingRecord(None, b"wake %d%c" % (self.made, letter)) for letter in b"ab"],
                LOG: [OutgoingRecord(None, b"a wake")],
            },
            placed=[OUT],
        )


@dataclass
class Woken:
    """Passes events on, one in a transaction, and writes something whenever it is woken."""

    timed: Clock = field(default_factory=Clock)
    told: list[PlacedOffsets] = field(default_factory=list)
    deferred: None = None
    drained: None = None
    throttle: None = None

    def open(self, tables: Any) -> None:
        pass

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        return BatchResult(1, {OUT: [OutgoingRecord(None, records[0].value)]})

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        raise NotImplementedError

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        self.told.append(offsets)

    async def close(self) -> BatchResult | None:
        return None


class Stand:
    """One lane over a simulated Kafka."""

    def __init__(self, port: Callable[..., SimulatedPort] = SimulatedPort) -> None:
        self.kafka = SimulatedKafka(generations={"t": 1})
        self.kafka.offsets["g", IN] = CommittedOffset(0)
        self.work = Woken()
        self.port = port(self.kafka, "g", "t", [IN], 1, most=100)
        self.lane: Any = run_lane(
            self.port, self.work, isolation=SimulatedLock(), log=lambda *_, **__: None
        )

    def go(
        self,
        steps: int = 100,
        *,
        until: str | None = None,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """Let the lane work for so many steps, or up to the step with this name."""
        for _ in range(steps):
            between()
            step = self.lane.send(None)
            self.kafka.complete("t") if "t" in self.kafka.producers else None
            if step == until:
                return

    def written(self, place: Partition = OUT) -> list[bytes | None]:
        return [record.value for record in self.kafka.read_committed(place)]


def test_work_whose_time_has_come_is_woken_without_an_event() -> None:
    stand = Stand()
    stand.go()
    assert stand.written() == []
    stand.work.timed.seconds = 0
    stand.go(until="committing")
    stand.work.timed.seconds = None
    stand.go()
    assert stand.written() == [b"wake 1a", b"wake 1b"]


def test_a_lane_waits_for_events_no_longer_than_until_the_next_wake() -> None:
    stand = Stand()
    stand.work.timed.seconds = 0.03
    stand.go()
    assert stand.port.waits_at_most == 0.03
    assert stand.work.timed.made == 0


def test_a_time_that_has_passed_is_as_one_that_has_come() -> None:
    stand = Stand()
    stand.work.timed.seconds = -5
    stand.go()
    assert stand.work.timed.made > 1
    assert stand.port.waits_at_most == 0


def test_events_and_wakes_take_turns_while_there_is_always_one_of_each() -> None:
    stand = Stand()
    stand.work.timed.seconds = 0
    for number in range(5):
        stand.kafka.append(IN, OutgoingRecord(None, b"event %d" % number))
    stand.go(300)
    kinds = [(value or b"").split()[0] for value in stand.written()]
    assert kinds[:15] == [b"wake", b"wake", b"event"] * 5


def test_a_wake_moves_no_offset_past_events_that_are_not_handled() -> None:
    stand = Stand()
    for number in range(3):
        stand.kafka.append(IN, OutgoingRecord(None, b"event %d" % number))
    stand.go(until="committing")  # the crash marker
    stand.go(until="committing")  # the first event; two more are fetched
    stand.work.timed.seconds = 0
    stand.go(until="committing")
    stand.go(1)
    assert stand.written()[1:] == [b"wake 1a", b"wake 1b"]
    assert stand.kafka.offsets["g", IN].offset == 1


def test_a_wake_whose_lane_is_fenced_leaves_nothing_and_is_told_to_nobody() -> None:
    stand = Stand()
    stand.work.timed.seconds = 0
    stand.go(until="offsets")
    stand.kafka.init("t")
    stand.kafka.generations["t"] = 2  # another process has the partition
    with suppress(StopIteration):
        stand.go()
    assert stand.written() == []
    assert stand.work.told == []


def test_a_wake_that_fails_in_a_lane_that_goes_on_is_repeated() -> None:
    stand = Stand()
    stand.work.timed.seconds = 0
    stand.go(until="offsets")
    stand.kafka.expire("t")
    stand.go(until="committing")
    stand.work.timed.seconds = None
    stand.go()
    assert stand.written() == [b"wake 2a", b"wake 2b"]
    assert len(stand.work.told) == 1


def test_a_lane_that_is_paused_is_not_woken() -> None:
    stand = Stand()
    stand.port.is_paused = lambda: True
    stand.work.timed.seconds = 0
    stand.go()
    assert stand.work.timed.made == 0


def test_a_wake_that_kafka_does_not_answer_ends_the_session_and_not_the_lane() -> None:
    stand = Stand()
    asked = iter([OutcomeUnknownError("no answer")])

    async def on_wake() -> BatchResult | None:
        for error in asked:
            raise error
        return await Clock.on_wake(stand.work.timed)

    stand.work.timed.on_wake = on_wake  # type: ignore[method-assign]
    stand.work.timed.seconds = 0
    stand.go(until="rest")
    stand.go(until="committing")
    stand.work.timed.seconds = None
    stand.go()
    assert stand.written() == [b"wake 1a", b"wake 1b"]


def test_a_work_is_told_the_offsets_of_the_partitions_that_it_has_asked_for() -> None:
    stand = Stand()
    stand.kafka.append(OUT, OutgoingRecord(None, b"of another"))
    stand.work.timed.seconds = 0
    stand.go(until="committing")
    stand.work.timed.seconds = None
    stand.kafka.append(IN, OutgoingRecord(None, b"event"))
    stand.go()
    assert [dict(told) for told in stand.work.told] == [{OUT: range(1, 3)}, {}]


def test_the_offsets_are_those_at_which_the_records_are_read_among_the_records_of_others() -> None:
    stand = Stand()
    stand.work.timed.seconds = 0
    die = random.Random(1)

    def others() -> None:
        for place in (OUT, LOG):
            for _ in range(die.randrange(3)):
                stand.kafka.append(place, OutgoingRecord(None, b"of another"))

    stand.go(400, between=others)
    records = stand.kafka.read_committed(OUT)
    ours = [record.offset for record in records if record.value != b"of another"]
    told = [offset for offsets in stand.work.told for offset in offsets[OUT]]
    assert told == ours[: len(told)]
    assert len(told) > 20


TICKS = 8
"""So often is each lane woken, beside what its events make it do."""


def ticks(index: int) -> Partition:
    return Partition("ticks", index)


@dataclass
class Ticking:
    """A stage that numbers its wakes as well, and notes what it is told of them."""

    events: Doubling
    die: random.Random
    told: dict[int, int]
    """By offset in the topic of the ticks, the number of the tick."""
    ticked: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.events, name)

    @property
    def timed(self) -> Ticking:
        return self

    def open(self, tables: Any) -> None:
        self.events.open(tables)
        self.ticked = int(tables["state"].get(b"ticked", b"0"))

    def wake_in(self) -> float | None:
        if self.ticked >= TICKS:
            return None
        return self.die.choice([0.0, 0.1, None])

    async def on_wake(self) -> BatchResult | None:
        self.ticked += 1
        number, index = b"%d" % self.ticked, self.events.index
        return BatchResult(
            0,
            {
                ticks(index): [OutgoingRecord(None, number)],
                state(index): [OutgoingRecord(b"ticked", number)],
            },
            self.ticked,
            placed=[ticks(index)],
        )

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        self.told |= {o: done.receipt for found in offsets.values() for o in found}


class TickingWorld(World):
    def __post_init__(self) -> None:
        self.told: list[dict[int, int]] = [{} for _ in range(LANES)]
        super().__post_init__()

    def work(self, index: int) -> LaneWork:
        return Ticking(Doubling(index, self.given_up), self.die, self.told[index])

    def ticks(self, index: int) -> dict[int, int]:
        """By offset, the number of each tick that can be read."""
        return {r.offset: int(r.value or b"") for r in self.kafka.read_committed(ticks(index))}

    def _settled(self) -> bool:
        return super()._settled() and all(len(self.ticks(i)) >= TICKS for i in range(LANES))


@seeds(600, kept=120)
def test_each_wake_is_written_once_and_told_truly_under_any_disaster(seeds: range) -> None:
    for seed in seeds:
        world = TickingWorld(random.Random(seed))
        world.run(steps=250, events=8)
        for i in range(LANES):
            found = world.ticks(i)
            assert list(found.values()) == list(range(1, TICKS + 1)), (seed, world.history[-80:])
            assert world.told[i].items() <= found.items(), seed
            assert world.results(i) == world.expected(i), seed
