"""What is written of an event that is given up?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.envelope import UnreadableEventError
from farandole.events.outcome import Outcome
from farandole.events.record import Record
from farandole.events.retry_record import ParkedEvent
from farandole.worker.limits import MAX_DEAD_LETTER_BYTES
from farandole.worker.lineage import LOOKUP_ERRORS, Lineage, LineageResolver
from farandole.worker.log_throttle import LogThrottle
from farandole.worker.retry_policy import FINAL_ERRORS
from farandole.worker.transaction_buffer import TransactionBuffer

log = structlog.get_logger()

_OWN_FOLDER = str(Path(__file__).parent)


class DeadLetterWriter:
    """The dead letters of one lane of a stage."""

    def __init__(self, stage: str, topic: str, wiring: LineageResolver) -> None:
        self._stage = stage
        self._topic = topic
        self._wiring = wiring
        self._sparing = LogThrottle()

    def failed(
        self,
        draft: TransactionBuffer,
        record: Record,
        error: BaseException,
        attempts: int,
        first: float,
    ) -> None:
        """Give an event up that was at work since `first` and has failed so often."""
        lineage = self.lineage(record)
        replays = 0
        if isinstance(record, ParkedEvent):
            attempts += record.before
            first = record.first_failed / 1000 or first
            replays = record.replays
        death = FailureAccount.of(
            _strip_own_frames(error),
            stage=self._stage,
            version=lineage.edge.version.name,
            run=lineage.run.decode(errors="replace"),
            attempts=attempts,
            first=datetime.fromtimestamp(first, UTC),
            replays=replays,
            traced=not isinstance(error, FINAL_ERRORS),
        )
        self._bury(draft, record, lineage, death)

    def killed(
        self, draft: TransactionBuffer, record: Record, lineage: Lineage, deaths: int
    ) -> None:
        """Give an event up that has killed its process so often."""
        death = FailureAccount(
            stage=self._stage,
            version=lineage.edge.version.name,
            run=lineage.run.decode(errors="replace"),
            error="ProcessDied",
            message=(
                f"the worker process died {deaths} times with this event at work: it exited, "
                "ran out of memory, or was ended because the function held it for too long "
                "(a function that is slow by nature wants `threads:` or `async def`)"
            ),
            attempts=deaths,
            last_failed=draft.now,
        )
        self._bury(draft, record, lineage, death)

    def lineage(self, record: Record) -> Lineage:
        """Of a record that dies, as far as it can be read."""
        try:
            return self._wiring.lineage(record)
        except (UnreadableEventError, *LOOKUP_ERRORS):
            return self._wiring.stray(record)

    def _bury(
        self, draft: TransactionBuffer, record: Record, lineage: Lineage, death: FailureAccount
    ) -> None:
        draft.write(self._topic, build_dead_letter(record, death, largest=MAX_DEAD_LETTER_BYTES))
        draft.settle(record, lineage, Outcome.DEAD)
        unsaid = self._sparing.due(death.error, time.monotonic())
        if unsaid is not None:
            log.warning(
                "event.dead",
                stage=self._stage,
                position=f"{record.topic}/{record.partition}/{record.offset}",
                error=death.error,
                message=death.message[:200],
                unsaid=unsaid,
            )


def _strip_own_frames(error: BaseException) -> BaseException:
    """How we came to call the function is of no interest to whoever wrote it."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER) and trace.tb_next:
        trace = trace.tb_next
    return error.with_traceback(trace)
