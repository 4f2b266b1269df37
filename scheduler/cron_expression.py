"""Which local times does a cron expression mean?

Five fields: minute, hour, day of the month, month, day of the week. In each of them:

- `*`, a number, a range `9-17`, a step `*/15`, `8-18/2` or `5/20` (from 5 to the field's end), and
  lists of these; months and weekdays also by name, in any case: `JAN`, `mon`;
- a range may wrap: `22-4`, `FRI-MON`, `NOV-FEB`;
- 0 and 7 are Sunday;
- `L` is the last day of a month, `LW` its last weekday from Monday to Friday; `FRI#2` is the
  second Friday of a month, `FRIL` the last one.

If the day of the month or that of the week begins with `*` (as `*/2` does), both must fit;
otherwise it is enough that one of them does: `0 0 13 * FRI` is each 13th and each Friday. This is
the rule of Debian's cron.

`@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` stand for five
fields; `@reboot` is refused, as is what other programs have beside these (seconds, `?`, `W`, `H`).

What a change of the clocks does is not decided here but in `local_time.py`, by
`follows_wall_clock`.
"""

from __future__ import annotations

import copy
import re
from bisect import bisect_left, bisect_right
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from cronsim import CronSim, CronSimError

from farandole.stages.nearest_name import did_you_mean

MAX_LENGTH = 500
"""No longer text is a cron expression."""

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NAMED_TIMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LAST_SECOND = time(23, 59, 59)
_ONE_DAY = timedelta(days=1)
_SOME_TIME = datetime(2000, 1, 1)  # where a walk begins is set before each one


class CronError(ValueError):
    """A text is no cron expression. `column` counts from 1."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column
        self.message = message


class CronExpression:
    """A cron expression, on local times without a zone: on some days, at some times of the day."""

    def __init__(self, text: str, fields: tuple[str, str, str, str, str]) -> None:
        self.text = text
        minute, hour, *days = fields
        self.follows_wall_clock = minute.startswith("*") or hour.startswith("*")
        """True if minute or hour begins with `*`: each time is meant that a clock shows, not so
        many times a day."""
        minutes = CronSim(f"{minute} {hour} * * *", _SOME_TIME)
        self._times = [
            time(hour, minute)
            for hour in sorted(minutes.hours)
            for minute in sorted(minutes.minutes)
        ]
        found = _walks_over_days(*days)
        self.never = found is None
        """True if no day fits, such as 31 February."""
        if found is not None:
            self._forward, self._backward = found

    def next(self, after: datetime) -> datetime | None:
        """Return the first local time after this one; None if there is none in 50 years."""
        if self.never:
            return None
        day = after.date()
        if self._fits(day):
            position = bisect_right(self._times, after.time())
            if position < len(self._times):
                return datetime.combine(day, self._times[position])
        # Mostly the next day fits, and a walk takes longer.
        if day < date.max and self._fits(tomorrow := day + _ONE_DAY):
            return datetime.combine(tomorrow, self._times[0])
        walk = copy.copy(self._forward)
        walk.dt = datetime.combine(day, _LAST_SECOND)
        following = next(walk, None)
        return None if following is None else datetime.combine(following, self._times[0])

    def previous(self, before: datetime) -> datetime | None:
        """Return the last local time before this one; None if there is none in 50 years."""
        if self.never:
            return None
        day = before.date()
        if self._fits(day):
            position = bisect_left(self._times, before.time())
            if position:
                return datetime.combine(day, self._times[position - 1])
        if day > date.min and self._fits(yesterday := day - _ONE_DAY):
            return datetime.combine(yesterday, self._times[-1])
        walk = copy.copy(self._backward)
        walk.dt = datetime.combine(day, time())
        preceding = next(walk, None)
        return None if preceding is None else datetime.combine(preceding, self._times[-1])

    def _fits(self, day: date) -> bool:
        return day.month in self._forward.months and self._forward.match_day(day)


@lru_cache(maxsize=1_000)
def _walks_over_days(day: str, month: str, weekday: str) -> tuple[CronSim, CronSim] | None:
    """Return what walks forward and backward over the days; None if no day fits. Most expressions
    are about the same days, and these take most of the time that it takes to read one."""
    expression = f"0 0 {day} {month} {weekday}"
    try:
        return CronSim(expression, _SOME_TIME), CronSim(expression, _SOME_TIME, reverse=True)
    except CronSimError:  # the fields are well formed: it is that no such day exists
        return None


def parse_cron(text: str) -> CronExpression:
    """Return the expression. Raises CronError."""
    if len(text) > MAX_LENGTH:
        raise CronError(MAX_LENGTH + 1, f"longer than {MAX_LENGTH} characters")
    words = [(found.start() + 1, found[0]) for found in re.finditer(r"\S+", text)]
    if not words:
        raise CronError(1, "empty: write five fields such as 30 2 * * *, or @daily")
    if words[0][1].startswith("@"):
        words = _named_time(words)
    if len(words) != len(_FIELDS):
        raise _wrong_number(words, len(text))
    minute, hour, day, month, weekday = (
        _parse_field(field, word, column)
        for field, (column, word) in zip(_FIELDS, words, strict=True)
    )
    return CronExpression(text, (minute, hour, day, month, weekday))


class _Field(NamedTuple):
    name: str
    first: int
    last: int
    size: int
    names: tuple[str, ...] = ()

    def number(self, word: str, column: int) -> int:
        """Return the value that a number or a name stands for."""
        if re.fullmatch(r"[0-9]{1,4}", word):
            value = int(word)
            if not self.first <= value <= self.last:
                raise CronError(column, f"{self.name}: {value} is not in {self}")
            return value
        if word.upper() in self.names:
            return self.first + self.names.index(word.upper())
        if not word:
            raise CronError(column, f"{self.name}: a value is missing here")
        raise CronError(column, f"{self.name}: {word} is no value in {self}{_hint(self, word)}")

    def __str__(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.first}-{self.last}{names}"


_DAY = _Field("day of the month", 1, 31, 31)
_WEEKDAY = _Field("day of the week", 0, 7, 7, _WEEKDAYS)
_FIELDS = (
    _Field("minute", 0, 59, 60),
    _Field("hour", 0, 23, 24),
    _DAY,
    _Field("month", 1, 12, 12, _MONTHS),
    _WEEKDAY,
)


def _hint(field: _Field, word: str) -> str:
    if word == "?":
        return ": write * instead"
    if word.upper() == "H":
        return ": give the schedule a jitter instead"
    if word.upper()[:3] in field.names:
        return f": did you mean {word.upper()[:3]}?"
    if re.fullmatch(r"[0-9]+W|L|LW", word.upper()):
        return ": of L and W there are only L, LW and FRIL"
    return ""


def _named_time(words: list[tuple[int, str]]) -> list[tuple[int, str]]:
    column, name = words[0]
    if name.lower() == "@reboot":
        raise CronError(column, "@reboot: a schedule has no machine that starts")
    if name.lower() == "@every":
        raise CronError(column, "@every: write every: 15m instead of cron:")
    if name.lower() not in _NAMED_TIMES:
        known = did_you_mean(name.lower(), _NAMED_TIMES, f"there are {', '.join(_NAMED_TIMES)}")
        raise CronError(column, f"there is no {name}: {known}")
    if len(words) > 1:
        raise CronError(words[1][0], f"nothing may follow {name}")
    return [(column, word) for word in _NAMED_TIMES[name.lower()].split()]


def _wrong_number(words: list[tuple[int, str]], length: int) -> CronError:
    fields = "minute, hour, day of the month, month, day of the week"
    if len(words) < len(_FIELDS):
        missing = _FIELDS[len(words)].name
        return CronError(length + 1, f"{missing} is missing: five fields are {fields}")
    more = "; seconds and years are not supported" if len(words) <= len(_FIELDS) + 2 else ""
    return CronError(words[len(_FIELDS)][0], f"more than five fields ({fields}){more}")


def _parse_field(field: _Field, word: str, column: int) -> str:
    """Return the field in a form that leaves nothing to interpret: a list of numbers, after its
    first part if that begins with `*`, because such fields have a meaning of their own."""
    values: set[int] = set()
    special: set[str] = set()
    for term in word.split(","):
        if (name := _special_day(field, term, column)) is not None:
            special.add(name)
        else:
            values.update(_parse_term(field, term, column))
        column += len(term) + 1
    first, *_ = word.split(",")
    star = [first] if first.startswith("*") else []
    return ",".join([*star, *map(str, sorted(values)), *sorted(special)])


def _special_day(field: _Field, term: str, column: int) -> str | None:
    upper = term.upper()
    if field is _DAY and upper in ("L", "LW"):
        return upper
    if field is not _WEEKDAY:
        return None
    if upper == "L":
        raise CronError(column, "day of the week: write SAT, or FRIL for the last Friday")
    if "#" in upper:
        day, _, number = upper.partition("#")
        if number not in ("1", "2", "3", "4", "5"):
            raise CronError(column + len(day) + 1, "day of the week: # is followed by 1 to 5")
        return f"{field.number(day, column) % 7}#{number}"
    if upper.endswith("L") and len(upper) > 1:
        return f"{field.number(upper[:-1], column) % 7}L"
    return None


def _parse_term(field: _Field, term: str, column: int) -> list[int]:
    base, slash, step_text = term.partition("/")
    start_text, dash, end_text = base.partition("-")
    step = _parse_step(field, step_text, column + len(base) + 1) if slash else 1
    if base == "*":
        values = list(range(field.first, field.first + field.size))
    elif dash:
        start = field.number(start_text, column)
        values = _range(field, start, field.number(end_text, column + len(start_text) + 1))
    else:
        start = field.number(start_text, column)
        values = list(range(start, field.last + 1)) if slash else [start]
    return [value % 7 if field is _WEEKDAY else value for value in values[::step]]


def _parse_step(field: _Field, text: str, column: int) -> int:
    step = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else 0
    if not 1 <= step <= field.size:
        remedy = "; for other intervals write every: 90m" if field.name == "minute" else ""
        raise CronError(column, f"{field.name}: a step is 1 to {field.size}{remedy}")
    return step


def _range(field: _Field, start: int, end: int) -> list[int]:
    if start > end and field is _WEEKDAY:
        start, end = start % 7, end
    if start <= end:
        return list(range(start, end + 1))
    return [*range(start, field.first + field.size), *range(field.first, end + 1)]
