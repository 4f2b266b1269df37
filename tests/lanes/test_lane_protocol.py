"""Is the event that kills its process found, whatever its lane fetches with it?"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence

import pytest

from farandole.events.record import OutgoingRecord, Partition, PartitionWrites, Record
from farandole.events.row_format import NewerFormatError
from farandole.lanes.crash_marker import CrashMarker, lane_trouble
from farandole.lanes.lane_port import (
    CommittedOffset,
    OutcomeUnknownError,
    PlacedOffsets,
    StateTables,
)
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.simulated_kafka import (
    SimulatedKafka,
    SimulatedLock,
    SimulatedPort,
)
from tests.lanes.test_waits import DEAD, GROUP, INPUT, OUT, PLACE, Killed, Settling, Waiting, values

OTHER = Partition("other", 0)


class Never(Waiting):
    """Nothing is due."""

    def due(self) -> Sequence[Record]:
        return ()


class OneByOne(Settling):
    """A transaction for each event."""

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        return await super().handle(records[:1])


class Careless(Settling):
    """Gives up each event that it gets."""

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        return self._done([record], DEAD)


class InAnyOrder(SimulatedPort):
    """Kafka's answers come in any order of the inputs."""

    die = random.Random()

    async def fetch(
        self,
        *,
        wait: bool = True,
        at_most: float | None = None,
        only: Collection[Partition] | None = None,
    ) -> Sequence[Record]:
        places = list(self._positions.items())
        self.die.shuffle(places)
        self._positions = dict(places)
        return await super().fetch(wait=wait, at_most=at_most, only=only)


class OneInputAFetch(SimulatedPort):
    async def fetch(
        self,
        *,
        wait: bool = True,
        at_most: float | None = None,
        only: Collection[Partition] | None = None,
    ) -> Sequence[Record]:
        for place in list(self._positions):
            records = await super().fetch(wait=wait, at_most=at_most, only=[place])
            if records:
                return records
        return []


def kafka_of(*inputs: Partition) -> SimulatedKafka:
    kafka = SimulatedKafka()
    for place in inputs:
        kafka.offsets[GROUP, place] = CommittedOffset(0)
    return kafka


def lived(
    kafka: SimulatedKafka,
    inputs: Sequence[Partition],
    work: Callable[[], Settling],
    *,
    port: type[SimulatedPort] = SimulatedPort,
    before_each: Callable[[int], None] = lambda life: None,
) -> bool:
    """Does it go well at last, after some deaths?"""
    for number in range(1, 40):
        before_each(number)
        at = port(kafka, GROUP, "t", inputs, 1, most=100, state=[PLACE])
        life = run_lane(at, work(), isolation=SimulatedLock(), log=lambda *_, **__: None)
        try:
            for _ in range(600):
                life.send(None)
                kafka.complete("t") if "t" in kafka.producers else None
        except Killed:
            continue
        return True
    return False


class Outdated(Settling):
    """Its state contains a row of the next release."""

    def open(self, tables: StateTables) -> None:
        raise NewerFormatError("retry row", 9, 1)


def test_a_lane_stops_at_state_of_a_newer_release_and_says_so_less_and_less_often() -> None:
    kafka = kafka_of(INPUT)
    give(kafka, INPUT, "i", 3)
    said: list[str] = []
    at = SimulatedPort(kafka, GROUP, "t", [INPUT], 1, most=100, state=[])

    def log(event: str, **fields: object) -> None:
        said.append(f"{event}: {fields['detail']}")

    life = run_lane(at, Outdated(set()), isolation=SimulatedLock(), log=log)
    for _ in range(400):
        life.send(None)
        kafka.complete("t") if "t" in kafka.producers else None
    life.close()
    assert kafka.offsets[GROUP, INPUT].offset == 0
    assert set(said) == {f"lane.outdated: {NewerFormatError('retry row', 9, 1)}"}
    assert 2 <= len(said) <= 12


class OutdatedInput(Settling):
    """Its input contains a row of the next release."""

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        raise NewerFormatError("ledger entry", 2, 1)


def test_a_row_of_a_newer_release_in_the_input_is_never_given_up() -> None:
    """However often it is tried, and whoever tries it: no process has died of it."""
    kafka = kafka_of(INPUT)
    give(kafka, INPUT, "i", 3)
    for generation in range(1, 12):
        kafka.generations["t"] = generation
        at = SimulatedPort(kafka, GROUP, "t", [INPUT], generation, most=100, state=[PLACE])
        life = run_lane(
            at, OutdatedInput(set()), isolation=SimulatedLock(), log=lambda *_, **__: None
        )
        for _ in range(200):
            life.send(None)
            kafka.complete("t") if "t" in kafka.producers else None
        at.stopping = True
        with pytest.raises(StopIteration):
            for _ in range(200):
                life.send(None)
    kafka.complete("t")
    assert kafka.offsets[GROUP, INPUT] == CommittedOffset(0)
    assert values(kafka, DEAD) == []


class Denied(SimulatedPort):
    """Kafka takes no record until it is `allowed`."""

    allowed = False

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        if any(writes.values()) and not self.allowed:
            raise OutcomeUnknownError("Kafka denies us Write on the topic out")
        return await super().send(writes, offsets, placed)


def test_why_a_lane_fails_stands_beside_its_offset_until_it_succeeds() -> None:
    kafka = kafka_of(INPUT)
    give(kafka, INPUT, "i", 3)
    kafka.generations["t"] = 1
    at = Denied(kafka, GROUP, "t", [INPUT], 1, most=100, state=[PLACE])
    life = run_lane(at, Settling(set()), isolation=SimulatedLock(), log=lambda *_, **__: None)

    def trouble() -> str | None:
        return lane_trouble(kafka.offsets[GROUP, INPUT].metadata)

    def step() -> None:
        life.send(None)
        kafka.complete("t") if "t" in kafka.producers else None

    for _ in range(400):
        step()
    assert trouble() == "Kafka denies us Write on the topic out"
    assert CrashMarker.parse(kafka.offsets[GROUP, INPUT].metadata).deaths == 1
    at.allowed = True
    for _ in range(400):
        step()
    life.close()
    assert kafka.offsets[GROUP, INPUT].offset == 3
    assert trouble() is None


def give(kafka: SimulatedKafka, place: Partition, letter: str, events: int) -> None:
    for n in range(events):
        kafka.append(place, OutgoingRecord(None, b"%b%d" % (letter.encode(), n)))


@pytest.mark.parametrize("inputs", [[PLACE, INPUT], [INPUT, PLACE]])
def test_behind_a_row_of_the_retry_topic(inputs: list[Partition]) -> None:
    kafka = kafka_of(*inputs)
    kafka.append(PLACE, OutgoingRecord(b"parked/x", b"{}"))
    give(kafka, INPUT, "i", 3)
    assert lived(kafka, inputs, lambda: Settling({b"i1"}, Never()))
    assert values(kafka, DEAD) == [b"i1"]


def test_and_no_other_whatever_comes_first() -> None:
    for seed in range(100):
        InAnyOrder.die = random.Random(seed)
        kafka = kafka_of(INPUT, OTHER, PLACE)
        kafka.append(PLACE, OutgoingRecord(b"parked/x", b"{}"))
        give(kafka, INPUT, "i", 4)
        give(kafka, OTHER, "o", seed % 3)
        work = lambda: Careless({b"i2"}, Never())  # noqa: E731
        assert lived(kafka, [INPUT, OTHER, PLACE], work, port=InAnyOrder), seed
        assert values(kafka, DEAD) == [b"i2"], seed


@pytest.mark.parametrize(("work", "events"), [(Settling, 1), (OneByOne, 3)])
def test_behind_another_input_that_never_ceases(work: type[Settling], events: int) -> None:
    kafka = kafka_of(INPUT, OTHER, PLACE)
    give(kafka, OTHER, "o", 3)

    def more(life: int) -> None:
        give(kafka, INPUT, f"i{life}.", events)

    inputs = [INPUT, OTHER, PLACE]
    assert lived(kafka, inputs, lambda: work({b"o2"}, Never()), before_each=more)
    assert values(kafka, DEAD) == [b"o2"]


def test_after_a_fetch_of_rows_alone() -> None:
    kafka = kafka_of(PLACE, INPUT)
    give(kafka, INPUT, "i", 3)

    def more(life: int) -> None:
        kafka.append(PLACE, OutgoingRecord(b"parked/%d" % life, b"{}"))

    work = lambda: Settling({b"i1"}, Never())  # noqa: E731
    assert lived(kafka, [PLACE, INPUT], work, port=OneInputAFetch, before_each=more)
    assert values(kafka, DEAD) == [b"i1"]


def test_where_what_waits_is_no_input_yet() -> None:
    """A topic that has just been widened is state sooner than the group knows it."""
    kafka = kafka_of(INPUT)
    kafka.append(PLACE, OutgoingRecord(b"00", b"w0"))
    give(kafka, INPUT, "i", 3)
    assert lived(kafka, [INPUT], lambda: Settling({b"i1"}))
    assert (values(kafka, DEAD), b"w0" in values(kafka, OUT)) == ([b"i1"], True)
