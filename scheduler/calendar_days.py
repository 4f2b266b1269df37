"""Is a planned time's day excluded by a calendar?

Its day is the one in the schedule's time zone. A calendar of another schedule has the days on which
that schedule has a planned time which its own calendars do not exclude.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from farandole.events.record_time import MOMENT
from farandole.events.schedule_spec import CalendarSpec, ScheduleSpec
from farandole.scheduler.local_time import first_instant
from farandole.scheduler.recurrence import next_planned
from farandole.scheduler.time_zones import load_zone
from farandole.stages.nearest_name import did_you_mean

if TYPE_CHECKING:
    from holidays import HolidayBase

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY = timedelta(days=1)


class CalendarError(ValueError):
    """A calendar cannot be read. The message says why, and what to do."""


def exclusion(
    spec: ScheduleSpec, planned: datetime, schedules: Mapping[str, ScheduleSpec]
) -> str | None:
    """Return why a planned time is excluded; None if it is not. `schedules` are those of the
    pipeline. Raises CalendarError if the country of a calendar is unknown here."""
    if not spec.exclude and not spec.include:
        return None
    return _exclusion(spec, planned, schedules, frozenset())


def rest_of_day(spec: ScheduleSpec, planned: datetime) -> datetime:
    """Return the last moment of the day of a planned time, in the schedule's zone: calendars
    exclude all of it. It is the planned time itself where the clocks have gone back over midnight,
    and the day has come once more."""
    zone = load_zone(spec.zone)
    day = planned.astimezone(zone).date()
    return max(planned, _first_moment(day + _DAY, zone) - MOMENT)


def load_holidays(place: str) -> HolidayBase:
    """Return the holidays of a country, `FR`, or of a part of it, `DE-BY`, by their dates. Raises
    CalendarError."""
    try:
        return _holidays(place)
    except ImportError:
        raise CalendarError(
            "holidays need the package holidays: pip install 'farandole[holidays]'"
        ) from None


def _exclusion(
    spec: ScheduleSpec,
    planned: datetime,
    schedules: Mapping[str, ScheduleSpec],
    asking: frozenset[str],
) -> str | None:
    zone = load_zone(spec.zone)
    day = planned.astimezone(zone).date()
    for calendar in spec.exclude:
        if (reason := _reason_in(calendar, day, zone, schedules, asking)) is not None:
            return reason
    if spec.include and all(
        _reason_in(calendar, day, zone, schedules, asking) is None for calendar in spec.include
    ):
        return f"{day} is in none of the included calendars"
    return None


def _reason_in(
    calendar: CalendarSpec,
    day: date,
    zone: ZoneInfo,
    schedules: Mapping[str, ScheduleSpec],
    asking: frozenset[str],
) -> str | None:
    """Return what a day is in the calendar, None if it is not in there."""
    if calendar.holidays:
        name = load_holidays(calendar.holidays).get(day)
        return None if name is None else f"{day} is a holiday in {calendar.holidays}: {name}"
    if calendar.weekdays:
        weekday = day.weekday()
        return f"{day} is a {_WEEKDAYS[weekday]}" if weekday in calendar.weekdays else None
    if calendar.schedule:
        if _has_planned(calendar.schedule, day, zone, schedules, asking):
            return f"{day} is a day of the schedule {calendar.schedule}"
        return None
    return f"{day} is one of the dates" if day in calendar.dates else None


def _has_planned(
    name: str,
    day: date,
    zone: ZoneInfo,
    schedules: Mapping[str, ScheduleSpec],
    asking: frozenset[str],
) -> bool:
    other = schedules.get(name)
    if other is None or name in asking:  # lint refuses both
        return False
    begins, ends = _first_moment(day, zone), _first_moment(day + _DAY, zone)
    planned = next_planned(other, begins - MOMENT)
    while planned is not None and planned < ends:
        if _exclusion(other, planned, schedules, asking | {name}) is None:
            return True
        # Its calendars exclude whole days: the others of this day are excluded as well.
        planned = next_planned(other, rest_of_day(other, planned))
    return False


def _first_moment(day: date, zone: ZoneInfo) -> datetime:
    return first_instant(datetime.combine(day, time()), zone)


@lru_cache(maxsize=300)
def _holidays(place: str) -> HolidayBase:
    import holidays

    country, _, part = place.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        remedy = did_you_mean(country, known, "write its two letters, such as FR or DE-BY")
        raise CalendarError(f"no holidays are known of {country!r}: {remedy}")
    if part and part not in known[country]:
        remedy = did_you_mean(part, known[country], f"known are {', '.join(known[country])}")
        raise CalendarError(f"no holidays are known of {part!r} in {country}: {remedy}")
    return holidays.country_holidays(country, subdiv=part or None, language="en_US")
