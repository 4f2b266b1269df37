"""What is written of an event that is given up?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from farandole.events.deadletter import Death, letter
from farandole.events.envelope import Unreadable
from farandole.events.record import Record
from farandole.events.retry import Waiting
from farandole.worker.caps import DEAD_BYTES
from farandole.worker.results import Draft
from farandole.worker.retrying import FINAL
from farandole.worker.sparing import Sparing
from farandole.worker.wiring import ASKED_AGAIN, Lineage, Wiring

log = structlog.get_logger()

_OURS = str(Path(__file__).parent)


class Burial:
    """The dead letters of one lane of a stage."""

    def __init__(self, stage: str, topic: str, wiring: Wiring) -> None:
        self._stage = stage
        self._topic = topic
        self._wiring = wiring
        self._sparing = Sparing()

    def failed(
        self, draft: Draft, record: Record, error: BaseException, attempts: int, first: float
    ) -> None:
        """Give an event up that was at work since `first` and has failed so often."""
        lineage = self.lineage(record)
        replays = 0
        if isinstance(record, Waiting):
            attempts += record.before
            first = record.first_failed / 1000 or first
            replays = record.replays
        death = Death.of(
            _without_our_frames(error),
            stage=self._stage,
            version=lineage.edge.version.name,
            run=lineage.run.decode(errors="replace"),
            attempts=attempts,
            first=datetime.fromtimestamp(first, UTC),
            replays=replays,
            traced=not isinstance(error, FINAL),
        )
        self._bury(draft, record, lineage, death)

    def killed(self, draft: Draft, record: Record, lineage: Lineage, deaths: int) -> None:
        """Give an event up that has killed its process so often."""
        death = Death(
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
        except (Unreadable, *ASKED_AGAIN):
            return self._wiring.stray(record)

    def _bury(self, draft: Draft, record: Record, lineage: Lineage, death: Death) -> None:
        draft.write(self._topic, letter(record, death, largest=DEAD_BYTES))
        draft.tally.dead += 1
        account = draft.account(record, lineage)
        account.dead += 1
        account.settle(record)
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


def _without_our_frames(error: BaseException) -> BaseException:
    """How we came to call the function is of no interest to whoever wrote it."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(_OURS) and trace.tb_next:
        trace = trace.tb_next
    return error.with_traceback(trace)
