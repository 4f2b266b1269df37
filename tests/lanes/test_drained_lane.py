"""Does a lane take nothing behind the bound of an input, whatever it had fetched before?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.lane_port import CommittedOffset, PlacedOffsets, StateTables
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult, PeekedPort
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedLock, SimulatedPort

ROOTS, OTHERS, OUT = (Partition(topic, 0) for topic in ("roots", "others", "out"))


@dataclass
class Drained:
    """What a lane takes, as a test says it."""

    now: Mapping[Partition, int] = field(default_factory=dict)
    seen: Mapping[Partition, int] = field(default_factory=dict)
    groups: Sequence[str] = ()
    noted: dict[str, Mapping[Partition, int | None]] = field(default_factory=dict)

    def bounds(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int]:
        self.seen = dict(offsets)
        return self.now

    async def look(self, port: PeekedPort) -> None:
        for group in self.groups:
            self.noted[group] = await port.offsets_of(group)


@dataclass
class OneAtATime:
    """Passes each event on, one in a transaction: so others are fetched and not settled."""

    drained: Drained = field(default_factory=Drained)
    deferred: None = None
    throttle: None = None
    timed: None = None

    def open(self, tables: StateTables) -> None:
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
        pass

    async def close(self) -> BatchResult | None:
        return None


class Stand:
    """A lane with three roots and three other events in its inputs."""

    def __init__(self) -> None:
        self.kafka = SimulatedKafka(generations={"t": 1})
        for place in (ROOTS, OTHERS):
            self.kafka.offsets["g", place] = CommittedOffset(0)
            for number in range(3):
                value = b"%s%d" % (place.topic.encode(), number)
                self.kafka.append(place, OutgoingRecord(None, value))
        self.work = OneAtATime()
        port = SimulatedPort(self.kafka, "g", "t", [ROOTS, OTHERS], 1, most=100)
        self.lane: Any = run_lane(
            port, self.work, isolation=SimulatedLock(), log=lambda *_, **__: None
        )

    def go(self, steps: int = 300) -> list[str]:
        """Let the lane work, and return what it has emitted so far."""
        for _ in range(steps):
            self.lane.send(None)
            if "t" in self.kafka.producers:
                self.kafka.complete("t")
        return [(r.value or b"").decode() for r in self.kafka.read_committed(OUT)]

    def go_until_emitted(self, number: int) -> None:
        while len(self.go(1)) < number:
            pass

    def offset(self, place: Partition) -> int:
        return self.kafka.offsets["g", place].offset


def test_roots_wait_and_other_events_go_on() -> None:
    stand = Stand()
    stand.work.drained.now = {ROOTS: 0}
    assert stand.go() == ["others0", "others1", "others2"]
    assert (stand.offset(ROOTS), stand.offset(OTHERS)) == (0, 3)
    stand.work.drained.now = {}
    assert stand.go()[3:] == ["roots0", "roots1", "roots2"]


def test_what_was_fetched_is_put_back_and_taken_once_later() -> None:
    stand = Stand()
    stand.go_until_emitted(1)  # it has fetched all six
    stand.work.drained.now = {ROOTS: 1}
    assert stand.go() == ["roots0", "others0", "others1", "others2"]
    assert (stand.offset(ROOTS), stand.offset(OTHERS)) == (1, 3)
    stand.work.drained.now = {}
    assert stand.go()[4:] == ["roots1", "roots2"]


def test_a_lane_goes_on_up_to_its_bound() -> None:
    stand = Stand()
    stand.work.drained.now = {ROOTS: 2}
    assert sorted(stand.go()) == ["others0", "others1", "others2", "roots0", "roots1"]
    assert stand.work.drained.seen == {ROOTS: 2, OTHERS: 3}


def test_a_lane_with_nothing_but_roots_waits() -> None:
    stand = Stand()
    stand.work.drained.now = {ROOTS: 0, OTHERS: 0}
    assert stand.go() == []
    stand.work.drained.now = {}
    assert len(stand.go()) == 6


def test_a_lane_lets_its_port_be_asked_where_others_are() -> None:
    stand = Stand()
    stand.kafka.offsets["another", ROOTS] = CommittedOffset(2)
    stand.work.drained.groups = ["another"]
    stand.go()
    assert stand.work.drained.noted == {"another": {ROOTS: 2, OTHERS: None}}
