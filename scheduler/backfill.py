"""How far is a backfill, and what fires for it next?

It fires for each planned time of its range in order, of the newest version, and no more runs of it
are open at once than it says; the schedule's pause and its overlap policy are for what fires by
itself. The range ends no later than the order was given: what is planned later fires by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from farandole.events.firing_record import FiringRecord
from farandole.events.record_time import MOMENT
from farandole.events.schedule_document import BackfillDocument
from farandole.events.schedule_row import BackfillRow, ScheduleRow
from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.calendar_days import exclusion
from farandole.scheduler.order_change import (
    Claim,
    OrderChange,
    OrderedFiring,
    OrderSurroundings,
    PastTimes,
    claim,
    make_firing,
)
from farandole.scheduler.recurrence import next_planned
from farandole.scheduler.schedule_decision import MAX_BYTES
from farandole.scheduler.trigger import Refusal

MAX_LOOKED_AT = 500
"""How many planned times of a backfill are looked at in one decision."""
BACKFILL = "backfill"
REMOVED = "the schedule was removed"
NO_PLANNED_TIMES = "the schedule has no planned times any more"
DELETED = "its document was deleted"


def new_backfill(document: BackfillDocument, ordered: datetime) -> BackfillRow:
    """Return the row of a backfill that was ordered at this time, by the broker's clock."""
    return BackfillRow(
        pipeline=document.pipeline,
        schedule=document.schedule,
        id=document.id,
        by=document.by,
        next=document.start,
        end=min(document.end, ordered),
        max_parallel=document.max_parallel,
        missing=document.missing,
    )


def ended_early(row: BackfillRow, why: str, now: datetime) -> OrderChange:
    """Return that a backfill begins no more runs, and why. Those that it has begun go on."""
    return OrderChange(backfill=row.model_copy(update={"ended": now, "why": why}))


def go_on(row: BackfillRow, schedule: ScheduleRow, around: OrderSurroundings) -> OrderChange:
    """Return what a backfill that has not ended does now. `schedule` is the row of its schedule.
    Raises ValueError if the file says what this release cannot read."""
    spec = around.history.spec
    assert spec is not None
    if not spec.is_timed:
        return ended_early(row, NO_PLANNED_TIMES, around.now)
    if around.past is None and row.next is not None:
        return OrderChange()
    past = around.past or PastTimes(frozenset(), frozenset())
    return _Turn(row, schedule, spec, around, past).change()


class _Turn:
    """One look at the planned times that are next."""

    def __init__(
        self,
        row: BackfillRow,
        schedule: ScheduleRow,
        spec: ScheduleSpec,
        around: OrderSurroundings,
        past: PastTimes,
    ) -> None:
        self._row, self._schedule, self._spec = row, schedule, spec
        self._around, self._past = around, past
        self._schedules: Mapping[str, ScheduleSpec] = around.history.pipeline.newest.schedules
        self._runs = list(row.runs)
        self._passed, self._why = row.passed, ""
        self._firings: list[OrderedFiring] = []
        self._bytes = 0  # of their events
        self._records: list[FiringRecord] = []

    def change(self) -> OrderChange:
        planned, has_more = self._next(self._row.next), False
        looked_at = 0
        through = self._schedule.through
        while planned is not None and len(self._runs) < self._row.max_parallel:
            # What the schedule has not looked at, it must look at before the next one is claimed.
            is_full = (
                looked_at >= MAX_LOOKED_AT
                or len(self._firings) >= self._around.most
                or self._bytes >= MAX_BYTES
            )
            has_more = is_full or self._schedule.through != through
            if has_more or not self._look_at(planned):
                break
            looked_at += 1
            planned = self._next(planned + MOMENT)
        is_over = planned is None and not self._runs
        fields = {
            "next": planned,
            "runs": tuple(self._runs),
            "fired": self._row.fired + len(self._firings),
            "passed": self._passed,
            "why": self._why,
            "ended": self._around.now if is_over else None,
        }
        return OrderChange(
            schedule=self._schedule,
            backfill=self._row.model_copy(update=fields),
            firings=self._firings,
            records=self._records,
            wake=self._around.now if has_more else None,
        )

    def _next(self, start: datetime | None) -> datetime | None:
        """Return the first planned time of the range from `start` on; None if there is none."""
        planned = None if start is None else next_planned(self._spec, start - MOMENT)
        return planned if planned is not None and planned < self._row.end else None

    def _look_at(self, planned: datetime) -> bool:
        """Fire for a planned time, or pass over it. Return False if it must wait."""
        if exclusion(self._spec, planned, self._schedules) is not None:
            return self._pass_over()
        claimed = claim(self._schedule, self._around.history, planned, self._past, self._row.id)
        if self._row.missing and (claimed.is_left or planned in self._past.at_all):
            return self._pass_over()
        if claimed.suffix and planned in self._past.by_id:
            return self._pass_over()  # by another order with the same id
        made = make_firing(
            self._around,
            planned,
            claimed,
            by=self._row.by,
            order=self._row.id,
            reason=BACKFILL,
        )
        if isinstance(made, Refusal):
            if made.may_pass:
                self._why = made.reason
                return False
            self._record_miss(planned, claimed, made.reason)
            self._schedule = claimed.row
            return self._pass_over()
        self._schedule = claimed.row
        self._runs.append(made.run)
        self._firings.append(made)
        self._bytes += len(made.root.value or b"")
        return True

    def _pass_over(self) -> bool:
        self._passed += 1
        return True

    def _record_miss(self, planned: datetime, claimed: Claim, why: str) -> None:
        """Record why a planned time does not fire."""
        row, around = self._row, self._around
        self._records.append(
            FiringRecord(
                pipeline=row.pipeline,
                schedule=row.schedule,
                planned=planned,
                suffix=claimed.suffix,
                outcome="missed",
                reason=why,
                at=around.now,
                version=around.history.pipeline.newest.version,
                by=row.by,
                order=row.id,
                tzdata=around.tzdata,
            )
        )
