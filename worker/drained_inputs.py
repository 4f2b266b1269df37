"""Which records of a lane's inputs wait while its pipeline is drained?

A drain lets the roots wait that have begun no run. All other events go on: those that a stage has
emitted, parked ones, replays, and roots whose run another stage has begun already, because that run
could not end without this one. Where the others are, the lane asks for every second. Where an event
of a stage stands behind roots, as just after a rewire, these go on as well: it could not end before
them. To see it the lane looks at the next records, as many as one fetch brings.

The lane acknowledges the drain in its state, in its next transaction, and from then on a person
may be told that the pipeline is drained (`operations/drain/drain_state.py`). When the drain is
over it takes the acknowledgement back, in the transaction in which it begins to take roots again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from farandole.catalog.ownership import VersionIndex
from farandole.catalog.root_inputs import begun_before, is_mixed, other_subscribers, roots_end
from farandole.events.controls_in_force import DrainInForce
from farandole.events.drain_document import (
    ACKNOWLEDGEMENT_KEY,
    Acknowledgement,
    serialize_acknowledgement,
)
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Partition
from farandole.events.topology_version import Version
from farandole.lanes.lane_work import PeekedPort
from farandole.worker.lane_state import LaneState

ASK_SECONDS = 1.0
"""How often a lane asks where the other stages are that read its roots."""
_NOTHING_WAITS: Mapping[Partition, int] = {}


class LaneDrain:
    """`farandole.lanes.lane_work.DrainedInputs` of one lane."""

    def __init__(
        self,
        pipeline: str,
        stage: str,
        names: KafkaNames,
        drain: Callable[[], DrainInForce | None],
        versions: Callable[[], Mapping[int, Version]],
        state: LaneState,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`drain` returns the drain that is in force, `versions` the published versions as they are
        known now. The acknowledgement is put into `state`. `clock` returns seconds that never
        go back."""
        self._pipeline = pipeline
        self._stage = stage
        self._names = names
        self._drain = drain
        self._versions = versions
        self._state = state
        self._clock = clock
        self._index_of: Mapping[int, Version] | None = None
        self._index: VersionIndex
        self._roots_end: dict[Partition, float] = {}
        """By input, what `roots_end` says of the versions in the index."""
        self._others: Mapping[str, str] = {}
        """By group, the other stages that read the topics in which roots wait."""
        self._committed: dict[str, Mapping[Partition, int | None]] = {}
        self._mixed: list[Partition] = []
        """The inputs in which an event of a stage may stand behind roots that wait."""
        self._beyond_events: dict[Partition, int] = {}
        """By such an input, the offset behind the last event of a stage that was seen there."""
        self._asked = -ASK_SECONDS

    def bounds(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int]:
        drain = self._drain()
        waiting = (
            {p: at for p, at in offsets.items() if at < self._end_of_roots(p)} if drain else {}
        )
        if drain is None or not waiting:
            self._others, self._mixed = {}, []
            self._state.put(ACKNOWLEDGEMENT_KEY, None)
            return _NOTHING_WAITS
        topics = frozenset(place.topic for place in waiting)
        row = serialize_acknowledgement(Acknowledgement(drain.generation, topics))
        self._state.put(ACKNOWLEDGEMENT_KEY, row)
        versions = self._versions()
        others = other_subscribers(versions.values(), self._stage, topics)
        self._others = {self._names.stage_group(self._pipeline, each): each for each in others}
        self._mixed = [place for place in waiting if is_mixed(versions, place.topic)]
        return {place: self._bound(place, offset) for place, offset in waiting.items()}

    def _bound(self, place: Partition, offset: int) -> int:
        committed = {
            stage: found
            for group, stage in self._others.items()
            if (found := self._committed.get(group, {}).get(place)) is not None
        }
        starts = self._current_index().starts(*place)
        begun = begun_before(starts, offset, self._stage, committed)
        return max(begun, self._beyond_events.get(place, 0))

    def _end_of_roots(self, place: Partition) -> float:
        self._current_index()  # forgets what other versions said
        if place not in self._roots_end:
            self._roots_end[place] = roots_end(self._versions(), *place)
        return self._roots_end[place]

    def _current_index(self) -> VersionIndex:
        versions = self._versions()
        if versions is not self._index_of:
            self._index_of, self._index = versions, VersionIndex(versions.values())
            self._roots_end = {}
        return self._index

    async def look(self, port: PeekedPort) -> None:
        if not (self._others or self._mixed) or self._clock() - self._asked < ASK_SECONDS:
            return
        self._asked = self._clock()
        for group in [*self._others]:
            self._committed[group] = await port.offsets_of(group)
        if self._mixed:
            await self._look_behind_roots(port)

    async def _look_behind_roots(self, port: PeekedPort) -> None:
        """Look for events of stages behind the roots that wait, and put back what was fetched."""
        index = self._current_index()
        reached = port.positions()
        try:
            records = await port.fetch(wait=False, only=self._mixed)
        finally:
            port.seek({place: reached[place] for place in self._mixed})
        for record in records:
            owner = index.owner_of(record)
            if owner is not None and owner.stage is not None:
                place = Partition(record.topic, record.partition)
                self._beyond_events[place] = record.offset + 1
