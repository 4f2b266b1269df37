"""Do the calendars of the schedules of a file name days that are known, and leave some over?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta

from farandole.events.record_time import MOMENT
from farandole.events.schedule_spec import ScheduleSpec
from farandole.router.file_model import CalendarSection
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.schedule_sections import sound_schedules
from farandole.router.yaml_source import KeyPath
from farandole.scheduler.calendar_days import CalendarError, exclusion, load_holidays
from farandole.scheduler.local_time import first_instant
from farandole.scheduler.recurrence import next_planned
from farandole.scheduler.time_zones import load_zone
from farandole.stages.nearest_name import did_you_mean

_DAYS_TRIED = 1_500
"""So many days with planned times are looked at, before a schedule is said to fire on none."""


def _lint_calendars(context: LintContext) -> Iterator[Finding]:
    for name, path, calendar in _calendars(context):
        given = list(calendar.model_dump(exclude_none=True))
        if len(given) != 1:
            yield context.finding(
                path,
                "a calendar has one key, and this one has "
                + (" and ".join(f"`{key}:`" for key in given) or "none"),
                "write an item for each: `- {weekdays: [sat, sun]}`, `- {holidays: FR}`",
            )
        elif calendar.holidays is not None:
            yield from _holiday_findings(context, (*path, "holidays"), calendar.holidays)
        elif calendar.schedule is not None:
            yield from _schedule_findings(context, name, (*path, "schedule"), calendar.schedule)


def _calendars(context: LintContext) -> Iterator[tuple[str, KeyPath, CalendarSection]]:
    for name, schedule in context.topology.schedules.items():
        for key, calendars in (("exclude", schedule.exclude), ("include", schedule.include)):
            for index, calendar in enumerate(calendars or ()):
                yield name, ("schedules", name, key, index), calendar


def _holiday_findings(context: LintContext, path: KeyPath, place: str) -> Iterator[Finding]:
    try:
        load_holidays(place)
    except CalendarError as error:
        message, _, remedy = str(error).partition(": ")
        yield context.finding(path, message, remedy)


def _schedule_findings(
    context: LintContext, name: str, path: KeyPath, other: str
) -> Iterator[Finding]:
    schedules = context.topology.schedules
    if other == name:
        yield context.finding(
            path, f"the calendar of {name!r} is the schedule itself", "name another schedule"
        )
    elif other not in schedules and other not in (context.document.data.get("schedules") or ()):
        listed = f"the schedules are {', '.join(schedules)}"
        yield context.finding(
            path,
            f"the calendar of {name!r} is the schedule {other!r}, which the file does not have",
            did_you_mean(other, [each for each in schedules if each != name], listed),
        )


def _lint_calendar_circles(context: LintContext) -> Iterator[Finding]:
    """Two schedules cannot be calendars of each other."""
    named: dict[str, dict[str, KeyPath]] = {}
    for name, path, calendar in _calendars(context):
        if calendar.schedule is not None and calendar.schedule != name:
            named.setdefault(name, {})[calendar.schedule] = path
    reported: set[str] = set()
    for name in named:
        circle = _circle(named, name)
        if circle and reported.isdisjoint(circle):
            reported.update(circle)
            yield context.finding(
                (*named[name][circle[1]], "schedule"),
                f"these schedules are calendars of each other: {' → '.join(circle)}",
                "write the days of one of them out",
            )


def _circle(named: Mapping[str, Mapping[str, KeyPath]], start: str) -> list[str]:
    """Return a way from a schedule back to itself; [] if there is none."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        for following in named.get(way[-1], ()):
            if following == start:
                return [*way, start]
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []


def _lint_excluded(context: LintContext) -> Iterator[Finding]:
    """Find schedules whose calendars leave no planned time over."""
    if any(_lint_calendars(context)) or any(_lint_calendar_circles(context)):
        return  # nobody knows what was meant
    sound = dict(sound_schedules(context))
    for name, spec in sound.items():
        if not (spec.exclude or spec.include) or not spec.is_timed:
            continue
        try:
            days = _excluded_days(spec, sound)
        except CalendarError:
            continue
        if days:
            yield context.finding(
                ("schedules", name, "exclude" if spec.exclude else "include"),
                f"schedule {name!r} never fires: its calendars exclude all of its next {days} days",
                "leave a day over",
                on_key=True,
            )


def _excluded_days(spec: ScheduleSpec, schedules: Mapping[str, ScheduleSpec]) -> int:
    """Return how many days with planned times are coming if all of them are excluded, else 0."""
    zone = load_zone(spec.zone)
    planned, days = next_planned(spec, datetime.now(UTC)), 0
    while planned is not None and days < _DAYS_TRIED:
        if exclusion(spec, planned, schedules) is None:
            return 0
        days += 1
        day_after = planned.astimezone(zone).date() + timedelta(days=1)
        midnight = first_instant(datetime.combine(day_after, time()), zone)
        planned = next_planned(spec, midnight - MOMENT)
    return days


SCHEDULE_CALENDAR_RULES: Mapping[str, LintRule] = {
    "schedule_calendars": _lint_calendars,
    "schedule_calendar_circles": _lint_calendar_circles,
    "schedule_excluded": _lint_excluded,
}
