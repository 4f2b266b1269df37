"""Which outputs in a raw topic are still needed, and from where must it be read again?

An output is needed until the event that caused it is settled. Copies, and outputs of events that
are settled already, are dropped: so nothing has to be remembered of what was relayed, and the
memory is bounded by what is read and not settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from farandole.events.envelope import UnreadableEventError
from farandole.events.raw_output import OutputPlace, output_place
from farandole.events.record import Partition, Record

MAX_RAW_BYTES = 64 * 1024 * 1024
"""Bytes of outputs that one lane keeps. Beyond that, the outputs of the latest events are read
again later."""
_OVERHEAD = 400  # bytes, about, of a record besides its value


@dataclass(slots=True)
class _Caused:
    """The outputs of one event, by their number; the first copy of each."""

    first: int
    """The offset of the first of them in the raw topic."""
    by_number: dict[int, Record] = field(default_factory=dict)
    bytes: int = 0
    is_too_large: bool = False


class RawOutputs:
    """The outputs that a lane has read from its partition of the raw topic."""

    def __init__(self, raw: Partition, most_bytes: int = MAX_RAW_BYTES) -> None:
        self.raw = raw
        self._most_bytes = most_bytes
        self._settled: dict[Partition, int] = {}
        """By input, the offset before which every event is settled."""
        self._caused: dict[Partition, dict[int, _Caused]] = {}
        self._limits: dict[Partition, int] = {}
        """By input, the first event whose outputs are not all kept."""
        self._reread: int | None = None
        """The first offset of the raw topic at which such an output stands."""
        self._strays: dict[int, Record] = {}
        self._bytes = 0

    def restart(self, offsets: Mapping[Partition, int]) -> None:
        """Forget everything. Before these offsets every event is settled."""
        self._settled = {p: offset for p, offset in offsets.items() if p != self.raw}
        self._caused = {partition: {} for partition in self._settled}
        self._limits, self._strays = {}, {}
        self._reread, self._bytes = None, 0

    def add(self, record: Record) -> None:
        """Keep an output, if it is needed and no copy of it is kept."""
        try:
            place = output_place(record)
        except UnreadableEventError:
            self._strays.setdefault(record.offset, record)
            return
        inputs = self._caused.get(place.partition)
        if inputs is None:
            self._strays.setdefault(record.offset, record)
        elif place.offset >= self._settled[place.partition]:
            if place.offset >= self._limit(place.partition):
                self._read_again(record.offset)
            else:
                self._keep(inputs, place, record)

    def _keep(self, inputs: dict[int, _Caused], place: OutputPlace, record: Record) -> None:
        caused = inputs.setdefault(place.offset, _Caused(record.offset))
        if caused.is_too_large or place.number in caused.by_number:
            return
        size = len(record.value or b"") + _OVERHEAD
        caused.by_number[place.number] = record
        caused.bytes += size
        self._bytes += size
        if caused.bytes > self._most_bytes:
            self._bytes -= caused.bytes
            caused.is_too_large, caused.bytes = True, 0
            caused.by_number.clear()
        while self._bytes > self._most_bytes and self._drop_latest():
            pass

    def _drop_latest(self) -> bool:
        """Drop the outputs of the later half of the events of the input that has most. Return False
        if no input has outputs of two events."""
        several = [inputs for inputs in self._caused.items() if len(inputs[1]) > 1]
        if not several:
            return False
        partition, inputs = max(several, key=lambda each: sum(c.bytes for c in each[1].values()))
        offsets = sorted(inputs)
        dropped = offsets[len(offsets) // 2 :]
        self._limits[partition] = dropped[0]
        for offset in dropped:
            caused = inputs.pop(offset)
            self._bytes -= caused.bytes
            self._read_again(caused.first)
        return True

    def _read_again(self, offset: int) -> None:
        self._reread = offset if self._reread is None else min(self._reread, offset)

    def _limit(self, partition: Partition) -> int | float:
        return self._limits.get(partition, float("inf"))

    @property
    def are_waiting(self) -> bool:
        """True if outputs are kept."""
        return any(self._caused.values())

    def is_complete(self, partition: Partition, offset: int) -> bool:
        """Return True if all outputs of an event that were read are kept."""
        return offset < self._limit(partition)

    def outputs_of(self, partition: Partition, offset: int) -> Mapping[int, Record] | None:
        """Return the outputs of an event by their numbers, in the order of these; None if they have
        more bytes than a lane keeps."""
        caused = self._caused[partition].get(offset)
        if caused is None:
            return {}
        return None if caused.is_too_large else dict(sorted(caused.by_number.items()))

    def settle(self, offsets: Mapping[Partition, int]) -> None:
        """Forget the outputs of all events before these offsets: they are settled."""
        for partition, offset in offsets.items():
            self._settled[partition] = offset
            inputs = self._caused[partition]
            for settled in [each for each in inputs if each < offset]:
                self._bytes -= inputs.pop(settled).bytes

    def judge(self, ends: Mapping[Partition, int]) -> None:
        """Take the outputs of events at or behind these ends for strays. The ends were read after
        the outputs, so no program can have seen those events."""
        for partition, inputs in self._caused.items():
            for offset in [each for each in inputs if each >= ends[partition]]:
                caused = inputs.pop(offset)
                self._bytes -= caused.bytes
                self._strays |= {each.offset: each for each in caused.by_number.values()}

    def first_needed(self, settled: Mapping[Partition, int], position: int) -> int:
        """Return the offset from which the raw topic must be read by whoever takes over when every
        event before `settled` is settled; it was read up to `position`."""
        needed = [
            caused.first
            for partition, inputs in self._caused.items()
            for offset, caused in inputs.items()
            if offset >= settled[partition]
        ]
        again = [] if self._reread is None else [self._reread]
        return min([position, *needed, *again, *self._strays])

    def take_strays(self) -> Sequence[Record]:
        """Return the records that are no output of an event of this lane and that stand before
        every output that is needed, and forget them."""
        if not self._strays:
            return ()
        strays, self._strays = self._strays, {}
        needed = self.first_needed(self._settled, max(strays) + 1)
        self._strays = {offset: each for offset, each in strays.items() if offset >= needed}
        return [strays[offset] for offset in sorted(strays) if offset < needed]

    def take_reread(self, settled: Mapping[Partition, int]) -> int | None:
        """Return the offset from which the raw topic must be read again, now that every event
        before `settled` is settled; None if that can wait, as long as what is kept is needed."""
        has_more = all(settled[partition] < limit for partition, limit in self._limits.items())
        if has_more and self.are_waiting:
            return None
        start, self._reread, self._limits = self._reread, None, {}
        return start
