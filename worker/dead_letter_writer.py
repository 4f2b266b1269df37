"""How is the dead letter of an event that is given up written?"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import structlog

from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.envelope import UnreadableEventError, structured_hint
from farandole.events.outcome import Outcome
from farandole.events.parked_order import parse_discard
from farandole.events.record import Record
from farandole.events.retry_record import ParkedEvent
from farandole.stages.user_traceback import error_place, format_user_traceback
from farandole.worker.event_facts import event_id
from farandole.worker.input_edge import Lineage
from farandole.worker.limits import MAX_DEAD_LETTER_BYTES
from farandole.worker.lineage import LineageResolver
from farandole.worker.log_throttle import LogThrottle
from farandole.worker.reported_error import ReportedError
from farandole.worker.retry_policy import FINAL_ERRORS
from farandole.worker.transaction_buffer import TransactionBuffer

log = structlog.get_logger()


ROW_DISCARDED = "RowDiscarded"
"""The error of an event that a person has discarded while it waited."""


class DeadLetterWriter:
    """Writes the dead letters of one lane of a stage."""

    def __init__(self, stage: str, topic: str, lineages: LineageResolver) -> None:
        self.stage = stage
        self._topic = topic
        self._lineages = lineages
        self._throttle = LogThrottle()

    def write_failed(
        self,
        buffer: TransactionBuffer,
        record: Record,
        error: BaseException,
        attempts: int,
        first_at: float,
        variant: str = "",
    ) -> None:
        """Write the dead letter of an event that failed `attempts` times, and was first tried at
        `first_at`, in seconds of the epoch. `variant`: the function that failed, while a canary is
        in force (`ParkedEvent.variant`)."""
        lineage = self._lineages.lineage_or_stray(record)
        if isinstance(error, UnreadableEventError) and lineage.is_root:
            error = UnreadableEventError(f"{error}{structured_hint(record)}")
        replays = 0
        if isinstance(record, ParkedEvent):
            attempts += record.before
            first_at = record.first_failed / 1000 or first_at
            replays = record.replays
        account = FailureAccount.from_error(
            error,
            stage=self.stage,
            version=lineage.edge.version.name,
            run=lineage.run.decode(errors="replace"),
            attempts=attempts,
            first=datetime.fromtimestamp(first_at, UTC),
            replays=replays,
            traceback=_traceback_of(error),
            place=error.place if isinstance(error, ReportedError) else error_place(error) or "",
            variant=variant,
        )
        self._write(buffer, record, lineage, account)

    def write_crashed(
        self, buffer: TransactionBuffer, record: Record, lineage: Lineage, deaths: int
    ) -> None:
        """Write the dead letter of an event at which the process died `deaths` times."""
        account = FailureAccount(
            stage=self.stage,
            version=lineage.edge.version.name,
            run=lineage.run.decode(errors="replace"),
            error="ProcessDied",
            message=(
                f"the worker process died {deaths} times with this event at work: it exited, "
                "ran out of memory, or was ended because the function held it for too long "
                "(a function that is slow by nature wants `threads:` or `async def`)"
            ),
            attempts=deaths,
            last_failed=buffer.now,
        )
        self._write(buffer, record, lineage, account)

    def write_discarded(
        self, buffer: TransactionBuffer, event: ParkedEvent, lineage: Lineage
    ) -> None:
        """Write the dead letter of an event that a person has discarded while it waited."""
        account = FailureAccount(
            stage=self.stage,
            version=lineage.edge.version.name,
            run=lineage.run.decode(errors="replace"),
            error=ROW_DISCARDED,
            message=event.message or event.checks,
            attempts=event.before + event.attempts,
            last_failed=buffer.now,
            replays=event.replays,
            discarded=parse_discard(event.discarded),
        )
        self._write(buffer, event, lineage, account)

    def write_unowned(
        self, buffer: TransactionBuffer, record: Record, error: UnreadableEventError
    ) -> None:
        """Write the dead letter of a record that is no event of any run: no books count it."""
        account = FailureAccount.from_error(
            error,
            stage=self.stage,
            version=self._lineages.newest.name,
            run="",
            attempts=1,
            first=buffer.now,
        )
        position = f"{record.topic}/{record.partition}/{record.offset}"
        self._write_letter(buffer, record, position, account)

    def _write(
        self, buffer: TransactionBuffer, record: Record, lineage: Lineage, account: FailureAccount
    ) -> None:
        self._write_letter(buffer, record, event_id(record, lineage), account)
        buffer.settle(record, lineage, Outcome.DEAD)
        if not (isinstance(record, ParkedEvent) and record.replays):
            buffer.died.append((record, lineage))

    def _write_letter(
        self, buffer: TransactionBuffer, record: Record, name: str, account: FailureAccount
    ) -> None:
        letter = build_dead_letter(record, account, largest=MAX_DEAD_LETTER_BYTES)
        buffer.write(self._topic, letter)
        suppressed = self._throttle.suppressed_since(account.error, time.monotonic())
        if suppressed is not None:
            log.warning(
                "event.dead",
                stage=self.stage,
                position=f"{record.topic}/{record.partition}/{record.offset}",
                id=name,
                run=account.run or None,
                place=account.place or None,
                error=account.error,
                message=account.message[:200],
                variant=account.variant or None,
                unsaid=suppressed,
            )


def _traceback_of(error: BaseException) -> str:
    if isinstance(error, ReportedError):
        return error.traceback
    return "" if isinstance(error, FINAL_ERRORS) else format_user_traceback(error)
