"""Which disasters befall a stage whose program has no transactions, and the lanes behind it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from farandole.events.header_codec import encode_headers
from farandole.events.raw_output import CAUSE_HEADER
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.lane_port import CommittedOffset, PlacedOffsets, StateTables
from farandole.lanes.lane_work import BatchResult, LaneWork
from farandole.lanes.raw_outputs import RawOutputs
from farandole.lanes.relay_port import RelayPort
from tests.lanes.world import GROUP, LANES, World, dead, source, target

PROGRAM = f"{GROUP}.outside"
FEW_BYTES = 2500
"""Room for the outputs of about six events: lanes must read the raw topic again."""


def raw(index: int) -> Partition:
    return Partition("stage.raw", index)


def outputs_of(value: bytes) -> list[bytes]:
    """What the program makes of an event: no output, one or two."""
    return [b"%s%c" % (value, letter) for letter in b"ab"[: int(value) % 3]]


@dataclass
class Relaying:
    """A stage that emits what the program wrote for each event; at most `fits` at once."""

    index: int
    outputs: RawOutputs
    fits: int = 2

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
    def timed(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        pass

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        records = records[: self.fits]
        emitted, strays = [], []
        for record in records:
            place = Partition(record.topic, record.partition)
            if place == self.outputs.raw:
                strays.append(OutgoingRecord(None, record.value))
            else:
                found = self.outputs.outputs_of(place, record.offset) or {}
                emitted += [OutgoingRecord(None, output.value) for output in found.values()]
        return BatchResult(len(records), {target(self.index): emitted, dead(self.index): strays})

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        return BatchResult(1, {dead(self.index): [OutgoingRecord(None, record.value)]})

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None


@dataclass
class RelayWorld(World):
    """A World whose stage is handled by programs without transactions: two of them at a time on
    each partition, because one is a zombie that does not know it. `within` wraps the port inside of
    the relay's, `around` the relay's."""

    within: Callable[[Any], Any] = lambda port: port
    around: Callable[[Any], Any] = lambda port: port
    programs: list[Iterator[None]] = field(default_factory=list)
    strays: int = 0

    def __post_init__(self) -> None:
        self._outputs: dict[int, RawOutputs] = {}
        self.broken = self._relayed
        for index in range(LANES):
            self.kafka.offsets[PROGRAM, source(index)] = CommittedOffset(0)
        super().__post_init__()
        self.programs = [self._program(index % LANES) for index in range(2 * LANES)]

    def inputs(self, index: int) -> list[Partition]:
        return [source(index), raw(index)]

    def state(self, index: int) -> list[Partition]:
        return []

    def work(self, index: int) -> LaneWork:
        return Relaying(index, self._outputs[index])

    def _relayed(self, port: Any) -> Any:
        index = port.inputs[0].partition
        self._outputs[index] = RawOutputs(raw(index), FEW_BYTES)
        return self.around(RelayPort(self.within(port), self._outputs[index], PROGRAM))

    def expected(self, index: int) -> list[bytes]:
        inputs = [r.value or b"" for r in self.kafka.read_committed(source(index))]
        lost = self.dead(index)
        return [output for value in inputs if value not in lost for output in outputs_of(value)]

    def _step(self) -> None:
        if self.die.random() < 0.3:
            at = self.die.randrange(len(self.programs))
            for _ in range(self.die.choice([1, 1, 10])):  # often much happens between two answers
                self._advance_program(at)
        else:
            super()._step()

    def _disaster(self) -> None:
        if self.die.random() < 0.3:
            at = self.die.randrange(len(self.programs))
            self.history.append(f"program {at} dies")
            self.programs[at] = self._program(at % LANES)
        elif self.strays and self.die.random() < 0.2:
            self.strays -= 1
            place = b"in/0/9999%02d/0" % self.strays if self.die.random() < 0.5 else b"nonsense"
            headers = encode_headers([(CAUSE_HEADER, place)])
            stray = OutgoingRecord(None, b"stray%d" % self.strays, headers)
            self.kafka.append(raw(self.die.randrange(LANES)), stray)
        else:
            super()._disaster()

    def _advance_program(self, at: int) -> None:
        next(self.programs[at])

    def _program(self, index: int) -> Iterator[None]:
        """Read a few events, write their outputs, then commit: at least once."""
        committed = self.kafka.offsets[PROGRAM, source(index)]
        position = committed.offset
        while True:
            yield
            records = self.kafka.read_committed(source(index), position)[:2]
            if not records:
                continue
            writes = [
                (b"in/%d/%d/%d" % (index, record.offset, number), value)
                for record in records
                for number, value in enumerate(outputs_of(record.value or b""))
            ]
            self.die.shuffle(writes)
            for place, value in writes:
                yield
                out = OutgoingRecord(None, value, encode_headers([(CAUSE_HEADER, place)]))
                self.kafka.append(raw(index), out)
                self.history.append(f"written {place.decode()}")
            yield
            position = records[-1].offset + 1
            self.kafka.offsets[PROGRAM, source(index)] = CommittedOffset(position)
            self.history.append(f"the program has handled {index} up to {position}")

    def _settled(self) -> bool:
        for at in range(len(self.programs)):
            self._advance_program(at)
        return super()._settled()
