"""Which events of its inputs does a lane not take yet, because their runs wait for a verdict?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

from farandole.catalog.ownership import UnknownVersionError
from farandole.events.envelope import UnreadableEventError
from farandole.events.gate_row import gate_key
from farandole.events.record import Record
from farandole.events.topology_version import Version
from farandole.worker.input_edge import InputEdge
from farandole.worker.lineage import (
    LOOKUP_ERRORS,
    LineageResolver,
    MisplacedRecordError,
    UncheckedVersionsError,
)
from farandole.worker.stage_controls import StageControls

GateRows = Callable[[], Mapping[bytes, bytes] | None]
"""Returns the rows of `farandole.gates`, a new object after each change; None if the topic does not
exist: then no gate is open."""


class RunGate:
    """The gate of one lane. Events of a version in which the stage has no gate pass it, and so do
    events that cannot be read, and those of a run that is cancelled or that a person has
    released."""

    def __init__(
        self,
        pipeline: str,
        stage: str,
        lineages: LineageResolver,
        rows: GateRows,
        controls: StageControls,
        retry_topic: str | None,
    ) -> None:
        self._pipeline = pipeline
        self._stage = stage
        self._lineages = lineages
        self._rows = rows
        self._controls = controls
        self._retry_topic = retry_topic
        self._known_to: Version | None = None
        self._has_gate = False

    @property
    def is_in_force(self) -> bool:
        """True if the stage has a gate in a version that is known."""
        newest = self._lineages.newest
        if newest is not self._known_to:
            self._known_to = newest
            stages = [each.stages.get(self._stage) for each in self._lineages.versions()]
            self._has_gate = any(spec is not None and spec.gate for spec in stages)
        return self._has_gate

    def shut_topics(self, pending: Sequence[Record]) -> Set[str]:
        """Return the topics whose first pending record may not pass. What cannot be told without
        reading versions passes: `open_part` reads them."""
        shut: set[str] = set()
        if not self.is_in_force:
            return shut
        seen: set[str] = set()
        for record in pending:
            if record.topic in seen:
                continue
            seen.add(record.topic)
            try:
                if self._is_shut(record):
                    shut.add(record.topic)
            except LOOKUP_ERRORS:
                continue
        return shut

    async def open_part(self, records: Sequence[Record]) -> int:
        """Return how many of these records, from the first, may pass. Raises OutcomeUnknownError if
        a version cannot be read."""
        if not self.is_in_force:
            return len(records)
        last: tuple[InputEdge, bytes] | None = None
        for index, record in enumerate(records):
            if record.topic == self._retry_topic:
                continue
            found = await self._find_run(record)
            if found is None or found == last:
                continue
            if self.keeps_out(*found):
                return index
            last = found
        return len(records)

    def _is_shut(self, record: Record) -> bool:
        if record.topic == self._retry_topic:
            return False
        try:
            lineage = self._lineages.lineage(record)
        except UnreadableEventError:
            return False
        return self.keeps_out(lineage.edge, lineage.run)

    async def _find_run(self, record: Record) -> tuple[InputEdge, bytes] | None:
        """Return the edge and the run of a record; None if it is no event of this lane."""
        while True:
            try:
                lineage = self._lineages.lineage(record)
            except UncheckedVersionsError:
                await self._lineages.refresh()
            except UnknownVersionError as unknown:
                try:
                    await self._lineages.find_version(unknown)
                except UnreadableEventError:
                    return None
            except (MisplacedRecordError, UnreadableEventError):
                return None
            else:
                return lineage.edge, lineage.run

    def keeps_out(self, edge: InputEdge, run: bytes) -> bool:
        """Return True if an event of this run may not pass now."""
        spec = edge.version.stages.get(self._stage)
        if spec is None or not spec.gate:
            return False
        rows = self._rows()
        if rows is not None and gate_key(self._pipeline, self._stage, run) in rows:
            return False
        controls = self._controls
        return not (run in controls.cancelled_runs() or run in controls.released_runs())
