"""Which event is in a record, and does this stage handle it?"""

from __future__ import annotations

from typing import Any, NamedTuple

from farandole.catalog.ownership import UnknownVersionError
from farandole.events.envelope import UnreadableEventError
from farandole.events.header_codec import encode_headers
from farandole.events.outcome import Outcome
from farandole.events.record import OutgoingRecord, Record
from farandole.events.retry_record import ParkedEvent
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.worker.codecs import as_stage_error
from farandole.worker.dead_letter_writer import DeadLetterWriter
from farandole.worker.event_path import EventPath, EventPaths
from farandole.worker.input_edge import Lineage
from farandole.worker.invoker import is_lane_failure
from farandole.worker.lineage import LineageResolver, MisplacedRecordError, UncheckedVersionsError
from farandole.worker.row_gate import RowParkedError
from farandole.worker.run_gate import RunGate
from farandole.worker.stage_controls import StageControls
from farandole.worker.transaction_buffer import TransactionBuffer


class AdmittedEvent(NamedTuple):
    """An event, ready for the function."""

    record: Record
    lineage: Lineage
    path: EventPath
    """The path of the lineage's edge, or of another version's if the event is replayed by it: then
    the event is settled under its own version, and its results are emitted under the other."""
    data: Any
    raw: bytes
    """The JSON text of the data."""
    parked: RowParkedError | None = None
    """Why it waits for a person, and not for the function; then there are no data."""


class Admission:
    """Admits the events of one lane of a stage."""

    def __init__(
        self,
        stage: str,
        lineages: LineageResolver,
        paths: EventPaths,
        dead_letters: DeadLetterWriter,
        controls: StageControls,
        gate: RunGate | None = None,
    ) -> None:
        self._stage = stage
        self._lineages = lineages
        self._paths = paths
        self._dead_letters = dead_letters
        self._cancelled_runs = controls.cancelled_runs
        self._gate = gate

    async def admit(self, buffer: TransactionBuffer, record: Record) -> AdmittedEvent | None:
        """Return the event in a record. None if it is settled already: under its version the stage
        does not subscribe to it, its filter does not accept it, its run is cancelled, a person has
        discarded it, or it belongs into another partition and was sent there. Raises what hostile
        bytes of any kind can cause, and OutcomeUnknownError if the event is of a version that was
        not known, and waits for a verdict: then the lane begins anew."""
        was_known = True
        while True:
            try:
                lineage = self._lineages.lineage(record)
                edge = self._lineages.handling_edge(record, lineage)
                break
            except UncheckedVersionsError:
                was_known = False
                await self._lineages.refresh()
            except UnknownVersionError as unknown:
                was_known = False
                await self._lineages.find_version(unknown)
            except MisplacedRecordError as misplaced:
                self._forward_to_home_partition(buffer, record, misplaced)
                return None
        is_new = not (was_known or isinstance(record, ParkedEvent))
        if is_new and self._gate is not None and self._gate.keeps_out(lineage.edge, lineage.run):
            raise OutcomeUnknownError("the run waits for a verdict, and its version is new")
        path = self._paths.path_of(edge)
        if path is None and isinstance(record, ParkedEvent):
            raise UnreadableEventError(f"{edge.version.name} has no such input here any more")
        if path is None or self.settle_if_cancelled(buffer, record, lineage):
            return None
        if isinstance(record, ParkedEvent) and record.discarded:
            self._dead_letters.write_discarded(buffer, record, lineage)
            return None
        raw = (record.value or b"") if lineage.data is None else lineage.data
        try:
            data = path.prepare(record, raw, lineage)
        except RowParkedError as parked:
            # Without the traceback, which refers to this frame: that would be a cycle.
            return AdmittedEvent(record, lineage, path, None, raw, parked.with_traceback(None))
        if data is Outcome.FILTERED:
            buffer.settle(record, lineage, Outcome.FILTERED)
            return None
        return AdmittedEvent(record, lineage, path, data, raw)

    def preview(self, record: Record) -> AdmittedEvent | None:
        """Return what `admit` will return, without settling anything; None if it will return None,
        raise, or has to wait."""
        try:
            lineage = self._lineages.lineage(record)
            path = self._paths.path_of(self._lineages.handling_edge(record, lineage))
            if path is None or path.is_bypass or lineage.run in self._cancelled_runs():
                return None
            raw = (record.value or b"") if lineage.data is None else lineage.data
            data = path.prepare(record, raw, lineage)
        except Exception:  # noqa: BLE001 -- hostile bytes: `admit` says what is wrong
            return None
        return None if data is Outcome.FILTERED else AdmittedEvent(record, lineage, path, data, raw)

    async def admit_or_bury(
        self, buffer: TransactionBuffer, record: Record
    ) -> AdmittedEvent | None:
        """Do what `admit` does; write the dead letter of an event that cannot be read, and return
        None."""
        try:
            return await self.admit(buffer, record)
        except Exception as error:
            if is_lane_failure(error):
                raise
            first_at = buffer.now.timestamp()
            self._dead_letters.write_failed(buffer, record, as_stage_error(error), 1, first_at)
            return None

    def settle_if_cancelled(
        self, buffer: TransactionBuffer, record: Record, lineage: Lineage
    ) -> bool:
        """Settle an event whose run is cancelled: it is consumed, and has no results. Returns False
        if its run is not cancelled; then nothing was done."""
        if lineage.run not in self._cancelled_runs():
            return False
        buffer.settle(record, lineage, Outcome.CANCELLED)
        return True

    def _forward_to_home_partition(
        self, buffer: TransactionBuffer, record: Record, misplaced: MisplacedRecordError
    ) -> None:
        """Send a record untouched to the partition of its key, to be handled there. Every stage
        that subscribes to it sees it; only the first of them sends it."""
        version, event_type = misplaced.edge.version, misplaced.edge.event_type
        buffer.counters.forwarded += 1
        if self._stage != version.subscribers(event_type)[0]:
            return
        forwarded = OutgoingRecord(record.key, record.value, encode_headers(record.headers))
        buffer.write(record.topic, forwarded, misplaced.home)
