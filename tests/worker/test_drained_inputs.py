"""Which roots does a lane let wait, what does it acknowledge, and when does it take that back?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from farandole.events.controls_in_force import DrainInForce
from farandole.events.drain_document import (
    ACKNOWLEDGEMENT_KEY,
    Acknowledgement,
    parse_acknowledgement,
)
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Partition
from farandole.events.topology_version import Version
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.worker.drained_inputs import ASK_SECONDS, LaneDrain
from farandole.worker.lane_state import LaneState
from tests.catalog.made import INSTALLATION
from tests.catalog.test_root_inputs import FIRST, made

A, B, RETRY = Partition("p.a", 0), Partition("p.b", 0), Partition("p.s.retry", 0)
DRAIN = DrainInForce(7, datetime(2026, 11, 24, tzinfo=UTC))


class Port(NamedTuple):
    """What a port says."""

    asked: list[str]
    records: Sequence[SimulatedRecord]
    offsets: Mapping[str, int]

    async def offsets_of(self, group: str) -> Mapping[Partition, int | None]:
        self.asked.append(group)
        return {A: self.offsets[group.removeprefix("p.")], RETRY: None}

    async def fetch(
        self, *, wait: bool = True, only: Collection[Partition] | None = None
    ) -> Sequence[SimulatedRecord]:
        assert only == [A]
        return self.records

    def positions(self) -> Mapping[Partition, int]:
        return {A: 3, RETRY: 0}

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        assert offsets == {A: 3}


def root(offset: int) -> SimulatedRecord:
    return SimulatedRecord("p.a", 0, offset, b"{}")


def event(offset: int) -> SimulatedRecord:
    """What the stage `new` has emitted."""
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"x/0/1/0",
        "ce_source": f"farandole://{INSTALLATION}/p/new".encode(),
        "ce_type": b"a",
        "ce_topologyversion": b"p@2",
        "ce_runid": b"k7mq2vtd4x3aa",
    }
    return SimulatedRecord("p.a", 0, offset, b"{}", None, [*headers.items()])


class Stand:
    """Lane 0 of the stage `s`, whose pipeline is drained."""

    def __init__(self, *versions: Version) -> None:
        self.versions = {each.version: each for each in versions}
        self.drain: DrainInForce | None = DRAIN
        self.state = LaneState(Partition("p.s.state", 0))
        self.now = 0.0
        self.asked: list[str] = []
        self.lane = LaneDrain(
            "p",
            "s",
            KafkaNames(),
            lambda: self.drain,
            lambda: self.versions,
            self.state,
            lambda: self.now,
        )

    def bounds(self, **offsets: int) -> Mapping[str, int]:
        """By event type."""
        found = self.lane.bounds({Partition(f"p.{name}", 0): at for name, at in offsets.items()})
        return {place.topic.removeprefix("p."): at for place, at in found.items()}

    async def look(self, *records: SimulatedRecord, **offsets: int) -> None:
        """With the next records, and the offset of each other stage, in the first input."""
        await self.lane.look(Port(self.asked, records, offsets))

    @property
    def acknowledged(self) -> Acknowledgement | None:
        return parse_acknowledgement(self.state.get(ACKNOWLEDGEMENT_KEY))


def test_roots_wait_where_the_lane_stands_and_the_lane_says_so() -> None:
    stand = Stand(FIRST)
    stand.drain = None
    assert not stand.bounds(a=3, b=5)
    assert stand.acknowledged is None
    stand.drain = DRAIN
    assert stand.bounds(a=3, b=5, **{"s.retry": 9}) == {"a": 3}
    assert stand.acknowledged == Acknowledgement(7, frozenset({"p.a"}))
    assert stand.state.has_unwritten


def test_the_acknowledgement_is_taken_back_when_the_drain_is_over() -> None:
    stand = Stand(FIRST)
    stand.bounds(a=3)
    stand.drain = DRAIN._replace(generation=9)
    stand.bounds(a=3)
    assert stand.acknowledged == Acknowledgement(9, frozenset({"p.a"}))
    stand.drain = None
    assert not stand.bounds(a=3)
    assert stand.acknowledged is None


def test_a_lane_without_roots_has_nothing_to_say() -> None:
    stand = Stand(FIRST)
    assert not stand.bounds(b=5)
    assert stand.acknowledged is None


async def test_roots_go_on_before_an_event_of_a_stage() -> None:
    versions = made(1, {"s": ("a", "b")}), made(2, {"new": ("x", "a"), "s": ("a", "b")}, 7)
    stand = Stand(*versions)
    assert stand.bounds(a=3) == {"a": 3}
    await stand.look(root(3), root(4))
    assert stand.bounds(a=3) == {"a": 3}
    stand.now += ASK_SECONDS
    await stand.look(root(3), root(6), event(7), root(8))
    assert stand.bounds(a=3) == {"a": 8}
    assert not stand.bounds(a=8)
    assert stand.acknowledged is None


async def test_a_root_whose_run_another_stage_has_begun_goes_on() -> None:
    stand = Stand(FIRST)
    await stand.look(t=5)
    assert not stand.asked
    assert stand.bounds(a=3) == {"a": 3}
    await stand.look(t=5)
    await stand.look(t=9)
    assert stand.asked == ["p.t"]
    assert stand.bounds(a=3) == {"a": 5}
    assert stand.bounds(a=6) == {"a": 6}
    stand.now += ASK_SECONDS
    await stand.look(t=9)
    assert stand.bounds(a=6) == {"a": 9}
