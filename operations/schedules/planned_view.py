"""For when is a schedule planned, in its own time zone and in UTC?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from farandole.events.record_time import MOMENT
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import Version
from farandole.operations.results import Result
from farandole.scheduler.calendar_days import exclusion
from farandole.scheduler.recurrence import firing_time, planned_between, previous_planned
from farandole.scheduler.time_zones import load_zone

_END = datetime(9000, 1, 1, tzinfo=UTC)
_MAX_LOOKED_AT = 10_000
"""How many planned times are looked at for those that no calendar excludes."""


class PlannedTime(Result):
    """One planned time."""

    planned: datetime
    """In UTC."""
    local: str
    """The same in the schedule's time zone, with its offset from UTC."""
    fires: datetime
    """When it is to fire: the planned time and its jitter."""


def next_firings(version: Version, schedule: str, after: datetime, count: int) -> list[PlannedTime]:
    """Return the next planned times after `after` that no calendar excludes. Raises ValueError if
    this machine cannot tell: it does not know the time zone, or the holidays."""
    spec = version.schedules[schedule]
    found: list[PlannedTime] = []
    for planned in planned_between(spec, after, _END, _MAX_LOOKED_AT):
        if len(found) == count:
            break
        if exclusion(spec, planned, version.schedules) is None:
            found.append(planned_view(version.pipeline, schedule, spec, planned))
    return found


def planned_view(
    pipeline: str, schedule: str, spec: ScheduleSpec, planned: datetime
) -> PlannedTime:
    """Return a planned time as a result. Raises ValueError."""
    return PlannedTime(
        planned=planned,
        local=local_text(spec, planned),
        fires=firing_time(pipeline, schedule, spec, planned),
    )


def local_text(spec: ScheduleSpec, time: datetime) -> str:
    """Return `2026-11-30T02:30:00+01:00`: a time in the schedule's zone. Raises ValueError."""
    return time.astimezone(load_zone(spec.zone)).isoformat()


def planned_in(
    spec: ScheduleSpec, start: datetime, end: datetime, limit: int | None = None
) -> Iterator[datetime]:
    """Yield the planned times from `start` on and before `end`. Raises ValueError."""
    return planned_between(spec, start - MOMENT, end - MOMENT, limit)


def neighbours(spec: ScheduleSpec, time: datetime) -> list[datetime]:
    """Return the last planned time before a time, and the first after it, as far as there are
    any. Raises ValueError."""
    before = previous_planned(spec, time)
    after = next(planned_between(spec, time, _END, 1), None)
    return [each for each in (before, after) if each is not None]
