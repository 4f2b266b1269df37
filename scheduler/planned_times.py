"""Which planned times of a schedule have come, and which of them may fire at all?

Each planned time is looked at once it has come, in order: it is decided at once (excluded, too
late, paused …), or it waits for its due time and for whatever else its schedule asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from farandole.events.firing_record import FiringOutcome
from farandole.events.schedule_row import ScheduleRow, WaitingTime
from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.calendar_days import exclusion, rest_of_day
from farandole.scheduler.catch_up import (
    BEHIND_OTHERS,
    NO_SCHEDULER,
    WAS_PAUSED,
    catch_up,
    expired_reason,
    has_expired,
    is_late,
)
from farandole.scheduler.recurrence import firing_time
from farandole.scheduler.schedule_history import PlannedTime, ScheduleHistory

MAX_WAITING = 100
"""How many planned times of a schedule wait at most, apart from those that its `buffer` lets wait.
Further ones are looked at later; then they are late."""
MAX_LOOKED_AT = 500
"""How many planned times of a schedule are looked at in one decision."""

REMOVED = "the schedule was removed before it could fire"


class DecidedTime(NamedTuple):
    """A planned time that does not fire, and why."""

    planned: datetime
    version: int
    outcome: FiringOutcome
    reason: str


class ComeTimes(NamedTuple):
    """What becomes of the planned times that have come."""

    decided: Sequence[DecidedTime]
    waiting: Sequence[WaitingTime]
    """Those that are new."""
    through: datetime
    """Every planned time up to this one is decided or waits."""
    next: PlannedTime | None
    """The next one; None if there is none. One that has come cannot be looked at yet."""
    has_more: bool
    """True if more are to be looked at at once."""


def come_times(
    row: ScheduleRow,
    history: ScheduleHistory,
    now: datetime,
    *,
    is_paused: bool,
    awake_since: datetime,
    tzdata: str,
) -> ComeTimes:
    """Return what becomes of the planned times after `row.through` that have come.

    `awake_since`: since when somebody has looked at them without a break. `tzdata`: the release of
    the time zone database here. Raises ValueError if the file says what this release cannot read:
    no such expression, no such calendar."""
    return _Looker(row, history, now, is_paused, awake_since, tzdata).look()


class _Looker:
    def __init__(
        self,
        row: ScheduleRow,
        history: ScheduleHistory,
        now: datetime,
        is_paused: bool,
        awake_since: datetime,
        tzdata: str,
    ) -> None:
        self._row = row
        self._history = history
        self._spec = history.spec
        self._now = now
        self._is_paused = is_paused
        self._awake_since = awake_since
        self._tzdata = tzdata
        self._decided: list[DecidedTime] = []
        self._waiting: list[WaitingTime] = []

    def look(self) -> ComeTimes:
        through, has_more = self._row.through, False
        planned = self._first()
        while planned is not None and planned.at <= self._now:
            has_more = len(self._decided) + len(self._waiting) >= MAX_LOOKED_AT
            if has_more or not self._look_at(planned):
                break
            through = planned.at
            planned = self._history.next_planned(through)
        return ComeTimes(self._decided, self._waiting, through, planned, has_more)

    def _first(self) -> PlannedTime | None:
        """Return the first planned time after `row.through`: mostly the row has it."""
        row, history = self._row, self._history
        newest = history.pipeline.newest.version
        if (
            self._spec is not None
            and row.version == newest
            and row.tzdata == self._tzdata
            and row.next is not None
            and row.next >= history.pipeline.newest_start
        ):
            return PlannedTime(row.next, newest, self._spec)
        return history.next_planned(row.through)

    def _look_at(self, planned: PlannedTime) -> bool:
        """Decide over a planned time, or let it wait. Return False if it cannot be looked at
        yet."""
        excluded = self._exclusion(planned)
        if excluded is not None:
            return self._decide(planned, "excluded", excluded)
        spec = self._spec
        if spec is None:
            return self._decide(planned, "missed", REMOVED)
        row, policy = self._row, spec.catch_up
        due = firing_time(row.pipeline, row.schedule, planned.spec, planned.at)
        why = self._why_late(planned.at, due)
        if why is None:
            room = MAX_WAITING + (spec.buffer if spec.overlap == "buffer-all" else 0)
            return self._has_room(room) and self._let_wait(planned, due)
        if has_expired(policy, planned.at, self._now):
            return self._decide(planned, "missed", expired_reason(policy, why))
        late = catch_up(
            policy,
            why,
            self._newer(planned) if policy.runs == "latest" else None,
            is_paused=self._is_paused,
            has_room=self._has_room(MAX_WAITING),
        )
        if late.outcome == "wait":
            return False
        if late.outcome == "fire":
            return self._let_wait(planned, due, late.reason)
        return self._decide(planned, late.outcome, late.reason)

    def _decide(self, planned: PlannedTime, outcome: FiringOutcome, reason: str) -> bool:
        self._decided.append(DecidedTime(planned.at, planned.version, outcome, reason))
        return True

    def _let_wait(self, planned: PlannedTime, due: datetime, late: str = "") -> bool:
        self._waiting.append(
            WaitingTime(
                planned=planned.at,
                due=due,
                version=planned.version,
                late=bool(late),
                reason=late and f"late: {late}",
            )
        )
        return True

    def _has_room(self, room: int) -> bool:
        return len(self._row.waiting) + len(self._waiting) < room

    def _why_late(self, planned: datetime, due: datetime) -> str | None:
        """Return why a planned time is late; None if it is not."""
        began, ended = self._row.pause_began, self._row.pause_ended
        if began is not None and began <= planned and (ended is None or planned < ended):
            return WAS_PAUSED
        if not is_late(due, self._now):
            return None
        return NO_SCHEDULER if planned < self._awake_since else BEHIND_OTHERS

    def _newer(self, planned: PlannedTime) -> datetime | None:
        """Return the next planned time that has come and is not excluded; None if there is none."""
        newer = self._history.next_planned(planned.at)
        while newer is not None and newer.at <= self._now:
            if self._exclusion(newer) is None:
                return newer.at
            newer = self._history.next_planned(self._skip_excluded(newer))
        return None

    def _skip_excluded(self, planned: PlannedTime) -> datetime:
        """Return a time after which to go on behind a planned time that is excluded: there may be
        86,400 in a day. The next version may have other calendars."""
        if planned.version != self._history.pipeline.newest.version:
            return planned.at
        return rest_of_day(planned.spec, planned.at)

    def _exclusion(self, planned: PlannedTime) -> str | None:
        schedules: Mapping[str, ScheduleSpec] = self._history.pipeline.schedules(planned.version)
        return exclusion(planned.spec, planned.at, schedules)


def previous_included(history: ScheduleHistory, planned: datetime) -> datetime | None:
    """Return the last planned time before this one that no calendar excludes; None if there is
    none, or it is very long ago. Raises as `come_times`."""
    previous = history.previous_planned(planned)
    for _ in range(_MAX_EXCLUDED):
        if previous is None:
            return None
        schedules = history.pipeline.schedules(previous.version)
        if exclusion(previous.spec, previous.at, schedules) is None:
            return previous.at
        previous = history.previous_planned(previous.at)
    return None


_MAX_EXCLUDED = 10_000
"""How many planned times in a row may be excluded before nobody looks for another one."""
