"""Has a new release of the time zone database moved a planned time?"""

from __future__ import annotations

from datetime import datetime, timedelta

from farandole.events.schedule_row import MovedTime, ScheduleRow
from farandole.scheduler.schedule_history import ScheduleHistory

TOLD_FOR = timedelta(days=1)
"""How long an alert tells of a planned time that has moved."""


def moved_time(
    row: ScheduleRow, history: ScheduleHistory, tzdata: str, now: datetime
) -> MovedTime | None:
    """Return how the next planned time has moved lately; None if it has not. `row` is the row as it
    is committed, `tzdata` the release of the time zone database here. Raises ValueError as
    `ScheduleHistory.next_planned`."""
    if row.tzdata in ("", tzdata) or history.spec_of(row.version) != history.spec:
        known = row.moved  # an edit moves planned times on purpose
        return known if known is not None and now - known.at < TOLD_FOR else None
    planned = history.next_planned(row.through)
    after = None if planned is None else planned.at
    if after == row.next:
        return row.moved
    return MovedTime(before=row.next, after=after, tzdata=tzdata, at=now)
