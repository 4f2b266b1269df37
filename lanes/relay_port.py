"""Which events may a lane settle whose outputs a program without transactions writes?

The program reads the inputs in a group of its own, writes the outputs of an event to the raw topic,
waits until Kafka has acknowledged them, and then commits its offset. So all outputs of the events
before its offset C stand before the end E of the raw topic, if C is read first: read the other way
round, outputs that came in between would be missed. The lane settles the events before C once it
has read the raw topic up to E.

The offset that the lane commits in the raw topic is that of the first output whose event is not
settled yet: everything before it was relayed, or is a copy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from farandole.events.record import Partition, Record
from farandole.lanes.lane_port import LanePort, OffsetLostError
from farandole.lanes.raw_outputs import RawOutputs


class RelayPort:
    """`farandole.lanes.lane_port.LanePort` over the port of a lane that has its raw topic as one
    more input. `fetch` hands over events whose outputs are complete and, by themselves, records of
    the raw topic that are outputs of no event of the lane."""

    def __init__(self, port: LanePort, outputs: RawOutputs, program: str, remedy: str = "") -> None:
        """`program` is the group of the program, `remedy` what a person can do if it has no
        offset."""
        self._port = port
        self._outputs = outputs
        self._program = program
        self._remedy = remedy
        self._held: dict[Partition, list[Record]] = {}
        """By input, what was read and is not handed over."""
        self._is_blocked = False
        """Nothing that is held could be handed over the last time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        self._outputs.restart(offsets)
        self._held = {partition: [] for partition in offsets if partition != self._outputs.raw}
        self._port.seek(offsets)

    def positions(self) -> Mapping[Partition, int]:
        reached = self._port.positions()
        settled = self._handed_over(reached)
        raw = self._outputs.raw
        return {**settled, raw: self._outputs.first_needed(settled, reached[raw])}

    def _handed_over(self, reached: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return, by input, the first offset that is not handed over."""
        return {p: held[0].offset if held else reached[p] for p, held in self._held.items()}

    async def fetch(self, *, wait: bool = True, at_most: float | None = None) -> Sequence[Record]:
        outputs, raw = self._outputs, self._outputs.raw
        settled = self._handed_over(self._port.positions())  # the lane has settled what it has
        outputs.settle(settled)
        if strays := outputs.take_strays():
            return strays
        if (start := outputs.take_reread(settled)) is not None:
            self._port.seek({raw: start})
        idle = [partition for partition, held in self._held.items() if not held]
        has_more = any(self._held.values()) and not self._is_blocked
        await self._read([raw, *idle], wait=wait and not has_more, at_most=at_most)
        if not any(self._held.values()):
            if outputs.are_waiting:  # for events that are not there: nobody can have handled them
                outputs.judge(await self._port.ends())
            return ()
        self._is_blocked = True
        handled = await self._handled()
        if not any(held and held[0].offset < handled[p] for p, held in self._held.items()):
            return ()
        ends = await self._port.ends()
        outputs.judge(ends)
        while (position := self._port.positions()[raw]) < ends[raw]:
            await self._read([raw], wait=True)
            if self._port.positions()[raw] == position:
                return ()  # somebody's transaction is open there
        found = [each for p in self._held for each in self._take(p, handled[p])]
        self._is_blocked = not found
        return found

    async def _read(
        self, partitions: Collection[Partition], *, wait: bool, at_most: float | None = None
    ) -> None:
        for record in await self._port.fetch(wait=wait, at_most=at_most, only=partitions):
            place = Partition(record.topic, record.partition)
            if place == self._outputs.raw:
                self._outputs.add(record)
            else:
                self._held[place].append(record)

    async def _handled(self) -> Mapping[Partition, int]:
        """Return, by input, the offset before which the program has handled everything."""
        committed = await self._port.offsets_of(self._program)
        handled = {}
        for partition in self._held:
            offset = committed[partition]
            if offset is None:
                raise OffsetLostError(
                    f"group {self._program} has no offset for {partition.topic}/"
                    f"{partition.partition}; {self._remedy}"
                )
            handled[partition] = offset
        return handled

    def _take(self, partition: Partition, before: int) -> Sequence[Record]:
        """Return the events of an input that are held and may be settled, and hold them no
        longer."""
        held, number = self._held[partition], 0
        for record in held:
            if record.offset >= before or not self._outputs.is_complete(partition, record.offset):
                break
            number += 1
        self._held[partition] = held[number:]
        return held[:number]
