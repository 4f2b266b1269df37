"""At which minutes of many years does a cron expression fire? Every minute is looked at.

Nothing here is the scheduler's: a parser of its own asks each field of each day and minute whether
it fits, and each minute of UTC is given the local time that its zone shows.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from farandole.scheduler.time_zones import load_zone

_MINUTE = timedelta(minutes=1)
_DAY = 1440
_MARGIN = 3 * _DAY  # of local time before and after the years, in minutes
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


class Years(NamedTuple):
    """The minutes of some years."""

    first: int
    length: int = 20

    @property
    def start(self) -> datetime:
        return datetime(self.first, 1, 1, tzinfo=UTC)

    @property
    def minutes(self) -> int:
        return (datetime(self.first + self.length, 1, 1, tzinfo=UTC) - self.start) // _MINUTE

    def instant(self, minute: int) -> datetime:
        return self.start + minute * _MINUTE


class Stretch(NamedTuple):
    """Minutes of UTC with one offset."""

    begins: int
    ends: int
    offset: int


@lru_cache(maxsize=1_000)
def stretches(zone_name: str, years: Years) -> list[Stretch]:
    """Return the stretches with one offset each, in order, all offsets in minutes."""
    zone, start, step = load_zone(zone_name), years.start, 6 * 60

    def offset(minute: int) -> int:
        local = (start + minute * _MINUTE).astimezone(zone)
        return (local.utcoffset() or timedelta()) // _MINUTE

    changes, before = [0], offset(0)
    for minute in range(step, years.minutes + step, step):
        if offset(minute) == before:
            continue
        for late in range(minute - step + 1, minute + 1):
            if offset(late) != before:
                before = offset(late)
                changes.append(late)
    changes = [minute for minute in changes if minute < years.minutes]
    return [Stretch(a, b, offset(a)) for a, b in pairwise([*changes, years.minutes])]


def firing_minutes(expression: str, zone_name: str, years: Years) -> bytes:
    """Return a byte for each minute of UTC: 1 if the expression fires then, otherwise 0."""
    shown = _local_minutes(expression, years)
    minute, hour = expression.split()[:2]
    every_pass = minute[0] == "*" or hour[0] == "*"
    fires = bytearray()
    latest = stretches(zone_name, years)[0].offset + _MARGIN  # the latest local time shown so far
    for begins, ends, offset in stretches(zone_name, years):
        local = begins + offset + _MARGIN
        stretch = bytearray(shown[local : ends + offset + _MARGIN])
        if not every_pass:
            repeated = min(max(0, latest - local), len(stretch))
            stretch[:repeated] = bytes(repeated)
            if 1 in shown[latest:local]:  # left out
                stretch[0] = 1
            latest = max(latest, local + len(stretch))
        fires += stretch
    return bytes(fires)


def _local_minutes(expression: str, years: Years) -> bytes:
    """Return a byte for each minute of local time, from three days before the years on."""
    minute, hour, day, month, weekday = expression.split()
    minutes = [m for m in range(60) if _fits(minute, m, 0, 59)]
    hours = [h for h in range(24) if _fits(hour, h, 0, 23)]
    some_day = bytes(m in minutes and h in hours for h in range(24) for m in range(60))
    no_day = bytes(_DAY)
    fitting = {kind for kind in set(_kinds_of_days(years)) if _day_fits(day, month, weekday, kind)}
    return b"".join(some_day if kind in fitting else no_day for kind in _kinds_of_days(years))


@lru_cache(maxsize=10)
def _kinds_of_days(years: Years) -> list[date]:
    """Return, for each day from three days before the years on, the first of all days that nobody
    can tell from it by month, day, weekday and length of the month."""
    kinds = dict[tuple[int, ...], date]()
    first = years.start.date() - timedelta(days=3)
    days = [first + timedelta(days=n) for n in range(years.minutes // _DAY + 6)]
    return [
        kinds.setdefault((day.month, day.day, day.weekday(), _last_of_month(day)), day)
        for day in days
    ]


def _last_of_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day_fits(day: str, month: str, weekday: str, date: date) -> bool:
    if not _fits(month, date.month, 1, 12):
        return False
    both = day[0] == "*" or weekday[0] == "*"
    fits = (_month_day_fits(day, date), _weekday_fits(weekday, date))
    return all(fits) if both else any(fits)


def _month_day_fits(field: str, day: date) -> bool:
    last = _last_of_month(day)
    for term in field.lower().split(","):
        if term == "l":
            if day.day == last:
                return True
        elif term == "lw":
            later = [n for n in range(day.day + 1, last + 1) if _is_workday(day.replace(day=n))]
            if _is_workday(day) and not later:
                return True
        elif _fits(term, day.day, 1, 31):
            return True
    return False


def _weekday_fits(field: str, day: date) -> bool:
    sunday_first = (day.weekday() + 1) % 7
    for term in field.lower().split(","):
        if "#" in term:
            name, number = term.split("#")
            if _number(name) % 7 == sunday_first and int(number) == (day.day - 1) // 7 + 1:
                return True
        elif term.endswith("l"):
            next_week = day + timedelta(days=7)
            if _number(term[:-1]) % 7 == sunday_first and next_week.month != day.month:
                return True
        elif _fits(term, sunday_first, 0, 6) or (sunday_first == 0 and _fits(term, 7, 0, 7)):
            return True
    return False


def _is_workday(day: date) -> bool:
    return day.weekday() < 5


def _fits(field: str, value: int, low: int, high: int) -> bool:
    return any(_term_fits(term, value, low, high) for term in field.lower().split(","))


def _term_fits(term: str, value: int, low: int, high: int) -> bool:
    base, _, step = term.partition("/")
    if base == "*":
        return (value - low) % int(step or 1) == 0
    if "-" in base:
        first, last = map(_number, base.split("-"))
        if first <= last:
            return first <= value <= last and (value - first) % int(step or 1) == 0
        size = high - low + 1 if high != 7 else 7
        distance = (value - first) % size
        return distance <= (last - first) % size and distance % int(step or 1) == 0
    if step:
        return value >= _number(base) and (value - _number(base)) % int(step) == 0
    return value == _number(base)


def _number(word: str) -> int:
    if word in _MONTHS:
        return _MONTHS.index(word) + 1
    return _WEEKDAYS.index(word) if word in _WEEKDAYS else int(word)
