"""Which event does a record hold, and is it this stage's to handle?"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any, NamedTuple

from farandole.catalog.ownership import UnknownVersionError
from farandole.events.envelope import UnreadableEventError
from farandole.events.header_codec import encode_headers
from farandole.events.outcome import Outcome
from farandole.events.record import OutgoingRecord, Record
from farandole.events.retry_record import ParkedEvent
from farandole.worker.dead_letter_writer import DeadLetterWriter
from farandole.worker.invoker import Invoker, event_attributes, is_lane_failure
from farandole.worker.lineage import (
    Lineage,
    LineageResolver,
    MisplacedRecordError,
    UncheckedVersionsError,
)
from farandole.worker.output_routing import OutputRouter, as_stage_error, input_decoder
from farandole.worker.transaction_buffer import TransactionBuffer


class AdmittedEvent(NamedTuple):
    """An event, ready for the function."""

    record: Record
    lineage: Lineage
    outputs: OutputRouter
    data: Any


class Admission:
    """`cancelled` knows the runs of which nothing is to be handled."""

    def __init__(
        self,
        invoker: Invoker,
        lineages: LineageResolver,
        dead_letters: DeadLetterWriter,
        cancelled: Callable[[], Set[bytes]],
    ) -> None:
        self._stage = invoker.stage
        self._lineages = lineages
        self._dead_letters = dead_letters
        self._cancelled = cancelled
        self.decode = input_decoder(invoker.signature)

    async def admit(self, buffer: TransactionBuffer, record: Record) -> AdmittedEvent | None:
        """The event in a record; None if under its version this stage does not subscribe to it, or
        not to what it says, if its run is cancelled, or if it belongs elsewhere and was sent
        there. Raises what hostile bytes of any kind can cause."""
        while True:
            try:
                lineage = self._lineages.lineage(record)
                break
            except UncheckedVersionsError:
                await self._lineages.refresh()
            except UnknownVersionError as unknown:
                await self._lineages.find_version(unknown)
            except MisplacedRecordError as misplaced:
                self._forward(buffer, record, misplaced)
                return None
        outputs = lineage.edge.outputs
        if outputs is None and isinstance(record, ParkedEvent):
            raise UnreadableEventError(
                f"{lineage.edge.version.name} has no such input here any more"
            )
        if outputs is None or self.settle_if_cancelled(buffer, record, lineage):
            return None
        raw = (record.value or b"") if lineage.data is None else lineage.data
        if outputs.wanted is not None and not outputs.wanted(
            raw, event_attributes(record, lineage)
        ):
            buffer.settle(record, lineage, Outcome.FILTERED)
            return None
        data = (outputs.decode or self.decode)(raw)
        return AdmittedEvent(record, lineage, outputs, data)

    async def admit_or_bury(
        self, buffer: TransactionBuffer, record: Record
    ) -> AdmittedEvent | None:
        """As `event`; None also of what cannot be read, which dies."""
        try:
            return await self.admit(buffer, record)
        except Exception as error:
            if is_lane_failure(error):
                raise
            self._dead_letters.write_failed(
                buffer, record, as_stage_error(error), 1, buffer.now.timestamp()
            )
            return None

    def settle_if_cancelled(
        self, buffer: TransactionBuffer, record: Record, lineage: Lineage
    ) -> bool:
        """Settle an event of a run that is cancelled: it is consumed, and nothing comes of it."""
        if lineage.run not in self._cancelled():
            return False
        buffer.settle(record, lineage, Outcome.CANCELLED)
        return True

    def _forward(
        self, buffer: TransactionBuffer, record: Record, misplaced: MisplacedRecordError
    ) -> None:
        """Send a record to the partition of its key, untouched, to be handled there. All stages
        that subscribe to it see it: the first of them forwards it."""
        version, event_type = misplaced.edge.version, misplaced.edge.event_type
        buffer.counters.forwarded += 1
        if self._stage != version.subscribers(event_type)[0]:
            return
        forwarded = OutgoingRecord(record.key, record.value, encode_headers(record.headers))
        buffer.write(record.topic, forwarded, misplaced.home)
