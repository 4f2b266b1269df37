"""Is a deferred event that kills its process found, without delay for others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.crash_marker import GIVE_UP_AFTER
from farandole.lanes.lane_port import CommittedOffset, PlacedOffsets, StateTables
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult, TimedWork
from farandole.lanes.simulated_kafka import (
    SimulatedKafka,
    SimulatedLock,
    SimulatedPort,
    SimulatedRecord,
)

GROUP = "g"
INPUT, PLACE, OUT, DEAD = (Partition(name, 0) for name in ("in", "retry", "out", "dead"))


class Killed(BaseException):
    """kill -9, in the middle of a function."""


@dataclass
class Waiting:
    """`farandole.lanes.lane_work.DeferredEvents`: all that its state holds is due."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    state_input: Partition = PLACE
    next_due: float | None = 0.0
    reads_orders: bool = False

    def due(self) -> Sequence[Record]:
        return [SimulatedRecord("in", 0, int(k), v, k) for k, v in sorted(self.rows.items())]

    def is_full(self) -> bool:
        return False

    def clear(self) -> None:
        self.rows = {}


@dataclass
class Settling:
    killers: set[bytes]
    deferred: Waiting = field(default_factory=Waiting)
    drained: None = None
    throttle: None = None
    timed: TimedWork | None = None

    def open(self, tables: StateTables) -> None:
        self.deferred.rows = dict(tables["retry"])

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        events = [record for record in records if record.topic != PLACE.topic]
        if self.killers.intersection(record.value or b"" for record in events):
            raise Killed
        return self._done(events, OUT)._replace(settled=len(records))

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        assert deaths == GIVE_UP_AFTER
        return self._done([record], DEAD)

    def _done(self, records: Sequence[Record], into: Partition) -> BatchResult:
        taken = [r.key for r in records if self.deferred.rows.pop(r.key or b"", None) is not None]
        out = [OutgoingRecord(None, record.value) for record in records]
        return BatchResult(
            len(records), {into: out, PLACE: [OutgoingRecord(key, None) for key in taken]}
        )

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None


def lived(killers: set[bytes], waiting: int, *, always: bool = False) -> tuple[SimulatedKafka, int]:
    """So many wait, and two events come in. Until all is settled: what came of it, and the lives
    that it took."""
    kafka = SimulatedKafka()
    kafka.offsets[GROUP, INPUT] = kafka.offsets[GROUP, PLACE] = CommittedOffset(0)
    for n in range(waiting):
        kafka.append(PLACE, OutgoingRecord(b"%02d" % n, b"w%d" % n))
    for n in range(2):
        kafka.append(INPUT, OutgoingRecord(None, b"i%d" % n))
    for lives in range(1, 60):
        if always:
            kafka.append(PLACE, OutgoingRecord(b"%02d" % (50 + lives), b"x"))
        port = SimulatedPort(kafka, GROUP, "t", [INPUT, PLACE], 1, most=100, state=[PLACE])
        life = run_lane(
            port, Settling(killers), isolation=SimulatedLock(), log=lambda *_, **__: None
        )
        try:
            for _ in range(2_000):
                life.send(None)
                kafka.complete("t") if "t" in kafka.producers else None
        except Killed:
            continue
        return kafka, lives
    raise AssertionError("it dies for ever")


def test_one_of_the_input_is_found_although_something_is_due_in_every_life() -> None:
    kafka, lives = lived({b"i0"}, 10, always=True)
    assert values(kafka, DEAD) == [b"i0"]
    assert lives < 20


def values(kafka: SimulatedKafka, place: Partition) -> list[bytes]:
    return sorted(record.value or b"" for record in kafka.read_committed(place))


@pytest.mark.parametrize("killer", [b"w0", b"w3", b"w9"])
def test_the_event_that_kills_when_its_time_has_come_is_given_up(killer: bytes) -> None:
    kafka, lives = lived({killer}, 10)
    assert values(kafka, DEAD) == [killer]
    others = {*(b"w%d" % n for n in range(10)), b"i0", b"i1"} - {killer}
    assert values(kafka, OUT) == sorted(others)
    assert lives == GIVE_UP_AFTER + 1


def test_two_of_them_are_found_one_after_the_other() -> None:
    kafka, _ = lived({b"w2", b"w7"}, 10)
    assert values(kafka, DEAD) == [b"w2", b"w7"]


def test_one_of_the_input_costs_nothing_that_waits() -> None:
    kafka, _ = lived({b"i0"}, 10)
    assert values(kafka, DEAD) == [b"i0"]
    assert values(kafka, OUT) == sorted([*(b"w%d" % n for n in range(10)), b"i1"])


class Failing(Settling):
    """What waits fails each time it is due, and it always is."""

    def _done(self, records: Sequence[Record], into: Partition) -> BatchResult:
        come = [record for record in records if record.key is None]
        return BatchResult(
            len(records), {into: [OutgoingRecord(None, record.value) for record in come]}
        )


def test_the_input_has_its_turn_although_something_is_always_due() -> None:
    kafka = SimulatedKafka()
    kafka.offsets[GROUP, INPUT] = kafka.offsets[GROUP, PLACE] = CommittedOffset(0)
    kafka.append(PLACE, OutgoingRecord(b"00", b"w"))
    for n in range(5):
        kafka.append(INPUT, OutgoingRecord(None, b"i%d" % n))
    port = SimulatedPort(kafka, GROUP, "t", [INPUT, PLACE], 1, most=1, state=[PLACE])
    life = run_lane(port, Failing(set()), isolation=SimulatedLock(), log=lambda *_, **__: None)
    for _ in range(500):
        life.send(None)
        kafka.complete("t") if "t" in kafka.producers else None
    assert values(kafka, OUT) == [b"i%d" % n for n in range(5)]


@dataclass
class Full(Waiting):
    """It takes no input for a while."""

    waits: int = 10

    def due(self) -> Sequence[Record]:
        return []

    def is_full(self) -> bool:
        self.waits -= 1
        return self.waits >= 0


@dataclass
class NotingIdleness(Settling):
    seen: list[str] = field(default_factory=list)

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        self.seen.append("input")
        return await super().handle(records)

    def on_idle(self) -> BatchResult | None:
        self.seen.append("idle")
        return None

    def on_hold(self) -> BatchResult | None:
        self.seen.append("hold")
        return BatchResult(0, {OUT: [OutgoingRecord(None, b"hold")]})

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        self.seen.append("committed")


def test_a_lane_that_takes_no_input_does_not_say_that_none_came() -> None:
    """Else an open breaker would believe so and probe what waits, each time."""
    kafka = SimulatedKafka()
    kafka.offsets[GROUP, INPUT] = kafka.offsets[GROUP, PLACE] = CommittedOffset(0)
    kafka.append(INPUT, OutgoingRecord(None, b"i"))
    port = SimulatedPort(kafka, GROUP, "t", [INPUT, PLACE], 1, most=100, state=[PLACE])
    work = NotingIdleness(set(), Full())
    life = run_lane(port, work, isolation=SimulatedLock(), log=lambda *_, **__: None)
    for _ in range(2_000):
        life.send(None)
        kafka.complete("t") if "t" in kafka.producers else None
    held = work.seen.index("input")
    assert work.seen[:held] == ["hold", "committed"] * 10
    assert set(work.seen[held + 2 :]) == {"idle"}
    assert values(kafka, OUT)[:10] == [b"hold"] * 10


@dataclass
class FullUntilOrdered(Settling):
    """It takes no input until an order has made room."""

    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deferred = Full(waits=10**6, reads_orders=True)

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        self.seen += [record.topic for record in records]
        if any(record.key == b"order" for record in records):
            self.deferred = Waiting()
        return await super().handle(records)


@pytest.mark.parametrize("already_fetched", [True, False])
def test_a_full_lane_reads_the_orders_that_make_room(already_fetched: bool) -> None:
    kafka = SimulatedKafka()
    kafka.offsets[GROUP, INPUT] = kafka.offsets[GROUP, PLACE] = CommittedOffset(0)
    for n in range(3):
        kafka.append(INPUT, OutgoingRecord(None, b"i%d" % n))
    port = SimulatedPort(kafka, GROUP, "t", [INPUT, PLACE], 1, most=100, state=[PLACE])
    work = FullUntilOrdered(set())
    life = run_lane(port, work, isolation=SimulatedLock(), log=lambda *_, **__: None)
    for step in range(500):
        if step == (0 if already_fetched else 100):
            kafka.append(PLACE, OutgoingRecord(b"replay", b"r"))
            kafka.append(PLACE, OutgoingRecord(b"order", b"o"))
        life.send(None)
        kafka.complete("t") if "t" in kafka.producers else None
    assert work.seen == [PLACE.topic] * 2 + [INPUT.topic] * 3
    assert kafka.offsets[GROUP, PLACE].offset == len(kafka.log(PLACE))
    assert kafka.offsets[GROUP, INPUT].offset == len(kafka.log(INPUT))
