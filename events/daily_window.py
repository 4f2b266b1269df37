"""When is it which time of day by the clock of a zone, also on days on which that clock is changed?

People write a time of day as `09:00 Europe/Berlin` and a window as `22:00-06:00 Europe/Berlin`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

CLOCK_FORM = r"(?:(?:[01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)"
"""A regular expression for a time of day."""
ZONE_FORM = r"(?:UTC|[A-Z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){1,2})"
"""A regular expression for the name of a time zone, and for some texts that name none."""
DAILY_TIME_FORM = rf"{CLOCK_FORM} {ZONE_FORM}"
WINDOW_FORM = rf"{CLOCK_FORM}-{CLOCK_FORM} {ZONE_FORM}"

_CLOCK_PATTERN = re.compile(CLOCK_FORM)
_ZONE_PATTERN = re.compile(ZONE_FORM)
_LONGEST_SHOWN = 80  # characters


class ClockError(ValueError):
    """A text is no time of day, no window, or names no zone. `remedy` says what to write."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Window:
    """A time of each day by the clock of a zone; over midnight if it begins after it ends."""

    begins: time
    ends: time
    zone: str
    """A name of the IANA time zone database."""

    def opened_at(self, now: float) -> float | None:
        """Return when the window opened in which `now` lies, both in seconds of the epoch; None
        outside of it."""
        span = self._span(now)
        return None if span is None else span[0]

    def closes_at(self, now: float) -> float | None:
        """Return when the window closes in which `now` lies, both in seconds of the epoch; None
        outside of it."""
        span = self._span(now)
        return None if span is None else span[1]

    def _span(self, now: float) -> tuple[float, float] | None:
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(now, zone).date()
        for day in (today, today - timedelta(days=1)):
            closing_day = day if self.begins < self.ends else day + timedelta(days=1)
            opens = _first_moment(day, self.begins, zone)
            closes = _first_moment(closing_day, self.ends, zone)
            if opens <= now < closes:
                return opens, closes
        return None

    def __str__(self) -> str:
        return f"between {self.begins:%H:%M} and {self.ends:%H:%M} {self.zone}"


@dataclass(frozen=True, slots=True)
class DailyTime:
    """A time of each day by the clock of a zone."""

    clock: time
    zone: str

    def next_after(self, moment: datetime) -> datetime:
        """Return the next time at which the clock shows this, later than `moment`; in UTC. On a
        day on which the clock skips it, it is the moment of the change."""
        zone = ZoneInfo(self.zone)
        today = moment.astimezone(zone).date()
        days = (today + timedelta(days=n) for n in range(-1, 4))
        moments = (_first_moment(day, self.clock, zone) for day in days)
        found = min(each for each in moments if each > moment.timestamp())
        return datetime.fromtimestamp(found, UTC)


def parse_window(written: str) -> Window:
    """Return the window that is written as `22:00-06:00 Europe/Berlin`. Raises ClockError."""
    clocks, _, zone = " ".join(written.split()).partition(" ")
    first, dash, last = clocks.partition("-")
    if not dash:
        raise ClockError(
            f"{written!r:.{_LONGEST_SHOWN}} is no time of the day from and to",
            "write for example 22:00-06:00 Europe/Berlin",
        )
    return make_window(first, last, zone or None, clocks)


def parse_daily_time(written: str) -> DailyTime:
    """Return the time of day that is written as `09:00 Europe/Berlin`. Raises ClockError."""
    clock, _, zone = " ".join(written.split()).partition(" ")
    return DailyTime(parse_clock(clock), _parse_zone(zone or None, "the time", clock))


def make_window(first: str, last: str, zone: str | None, written: str) -> Window:
    """Return the window between two times of day; `written` is how they stand there together.
    Raises ClockError."""
    begins, ends = parse_clock(first), parse_clock(last)
    if begins == ends:
        raise ClockError(
            f"the window begins and ends at {first}", "write two times, or leave the window out"
        )
    return Window(begins, ends, _parse_zone(zone, "the window", written))


def parse_clock(text: str) -> time:
    """Return the time of day that is written as `06:00`. Raises ClockError."""
    if _CLOCK_PATTERN.fullmatch(text) is None:
        raise ClockError(
            f"{text!r:.{_LONGEST_SHOWN}} is no time of day", "write for example 06:00 or 22:30"
        )
    hour, minute = text.split(":")
    return time(int(hour) % 24, int(minute))


def _parse_zone(written: str | None, what: str, before: str) -> str:
    if written is None:
        raise ClockError(
            f"{what} names no time zone",
            f"write for example {before} Europe/Berlin, or {before} UTC",
        )
    name = written.strip()
    if _ZONE_PATTERN.fullmatch(name):
        try:
            return ZoneInfo(name).key
        except (LookupError, ValueError, OSError):
            pass  # unknown, a folder of the database, too long a name
    near = difflib.get_close_matches(name, sorted(available_timezones()), n=1, cutoff=0.7)
    remedy = f"did you mean {near[0]}?" if near else "write for example Europe/Berlin or UTC"
    raise ClockError(f"{name!r:.{_LONGEST_SHOWN}} is no time zone of the IANA database", remedy)


def _first_moment(day: date, clock: time, zone: ZoneInfo) -> float:
    """Return when the clock of a zone shows this time of a day, or a later one, for the first time;
    in seconds of the epoch."""
    local = datetime.combine(day, clock, zone)
    moment = local.timestamp()
    wanted = local.replace(tzinfo=None)
    if _shown_by(zone, moment) == wanted:
        return moment
    # The clock skips this time: look for the moment of the change, which is a whole second.
    before, after = sorted((moment, local.replace(fold=1).timestamp()))
    while after - before > 1:
        middle = (before + after) // 2
        if _shown_by(zone, middle) < wanted:
            before = middle
        else:
            after = middle
    return after


def _shown_by(zone: ZoneInfo, moment: float) -> datetime:
    """Return what the clock of a zone shows at a moment."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)
