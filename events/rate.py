"""How often may something happen, how is that written, and how many a second is it at this moment?

A rate is written by people, in the file and in control documents:

    1000/s    50/m    10/h    2.5/s    1000 lines/s    0
    from 100/s to 5000/s over 10m
    1000/s between 22:00 and 06:00 Europe/Berlin
    1000/s between 22:00 and 06:00 Europe/Berlin, else 50/s

`0` lets nothing pass. Outside of its window a rate has no limit, unless `else` gives one. A window
opens and closes once a day by the clock of its zone, also on the days on which that clock is
changed. A ramp begins when the rate comes into force, and in a window each time the window opens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from farandole.events.daily_window import (
    CLOCK_FORM,
    ZONE_FORM,
    ClockError,
    Window,
    make_window,
)

Unit = Literal["events", "lines"]
Period = Literal["s", "m", "h"]

EXAMPLE = "write for example 1000/s, 50/m, 10/h or 1000 lines/s"
MAX_COUNT = 1_000_000_000
"""No larger number is a rate: to have no limit, give none."""
MAX_LENGTH = 200
"""No longer text is a rate."""

_PERIOD_SECONDS: dict[str, int] = {"s": 1, "m": 60, "h": 3600}
_DURATION_SECONDS: dict[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = r"[0-9]{1,10}(?:\.[0-9]{1,3})?"
RATE_FORM = rf"(?:0|{_NUMBER}(?: ?(?:events|lines) ?)?/[smh])"
"""A regular expression for a rate without a ramp and a window."""
RATE_RULE_FORM = (
    rf"(?:{RATE_FORM}|from {RATE_FORM} to {RATE_FORM} over [0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))"
    rf"(?: between {CLOCK_FORM} and {CLOCK_FORM} {ZONE_FORM}(?:,? else {RATE_FORM})?)?"
)
"""A regular expression for all rates, and for some texts that are none: a time zone that does not
exist, two units."""

_RATE_PATTERN = re.compile(rf"({_NUMBER})(?: ?(events|lines) ?)?/([smh])")
_RAMP_PATTERN = re.compile(r"from (.+) to (.+) over (.+)")
_DURATION_PATTERN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_ELSE_PATTERN = re.compile(r"(.*?),? else (.+)")
_WINDOW_PATTERN = re.compile(r"(.+?) between (\S+) and (\S+)(?: (.+))?")
_LOOSE_PATTERN = re.compile(
    rf"({_NUMBER}) ?(events?|lines?)? ?(?:/|per|a|an)? ?"
    r"(?:(s|secs?|seconds?)|(m|mins?|minutes?)|(h|hrs?|hours?))"
)


class RateError(ValueError):
    """A text is no rate. `remedy` says what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Rate:
    """So many events, or lines of frames, in each second, minute or hour."""

    count: float
    period: Period = "s"
    unit: Unit = "events"

    @property
    def per_second(self) -> float:
        return self.count / _PERIOD_SECONDS[self.period]

    def __str__(self) -> str:
        if not self.count:
            return "0"
        unit = " lines" if self.unit == "lines" else ""
        return f"{_number_text(self.count)}{unit}/{self.period}"


@dataclass(frozen=True, slots=True)
class Ramp:
    """A rate that goes evenly from `first` to `last` in `seconds`, and stays there."""

    first: Rate
    last: Rate
    seconds: float

    def per_second_after(self, elapsed: float) -> float:
        """Return the rate so many seconds after the ramp has begun."""
        done = min(1.0, max(0.0, elapsed / self.seconds))
        first, last = self.first.per_second, self.last.per_second
        return first + (last - first) * done

    def __str__(self) -> str:
        return f"from {self.first} to {self.last} over {_duration_text(self.seconds)}"


@dataclass(frozen=True, slots=True)
class RateRule:
    """What a text says of a rate at each moment."""

    limit: Rate | Ramp
    window: Window | None = None
    otherwise: Rate | None = None
    """The rate outside of the window; None for no limit there."""

    @property
    def unit(self) -> Unit:
        """What is counted. 0 is the same in both units."""
        return "lines" if "lines" in _units(self) else "events"

    def __str__(self) -> str:
        window = f" {self.window}" if self.window else ""
        otherwise = f", else {self.otherwise}" if self.otherwise else ""
        return f"{self.limit}{window}{otherwise}"


def rate_at(rule: RateRule, now: float, begun: float) -> float | None:
    """Return how many a second are allowed at `now`; None for no limit. `begun` is when the rule
    came into force; both are seconds of the epoch."""
    if rule.window is not None:
        opened = rule.window.opened_at(now)
        if opened is None:
            return None if rule.otherwise is None else rule.otherwise.per_second
        begun = max(begun, opened)
    if isinstance(rule.limit, Rate):
        return rule.limit.per_second
    return rule.limit.per_second_after(now - begun)


def parse_rate_rule(written: object) -> RateRule:
    """Return the rate that a person has written, as a text or as the number 0. Raises
    RateError."""
    text = _plain_text(written)
    limit, window, otherwise = text, None, None
    if outside := _ELSE_PATTERN.fullmatch(limit):
        limit, otherwise = outside[1], parse_rate(outside[2])
    if " between " in limit or limit.startswith("between "):
        limit, window = _parse_window(limit)
    elif otherwise is not None:
        raise RateError(
            f"{_shown(text)} has an `else`, but no window",
            f"write for example {limit} between 22:00 and 06:00 Europe/Berlin, else {otherwise}",
        )
    rule = RateRule(_parse_limit(limit), window, otherwise)
    if len(_units(rule)) > 1:
        raise RateError(
            f"{_shown(text)} mixes events and lines", "write all of its rates in the same unit"
        )
    return rule


def parse_rate(written: object) -> Rate:
    """Return a rate without a ramp and a window, such as `10/s`. Raises RateError."""
    text = _plain_text(written)
    match = _RATE_PATTERN.fullmatch("0/s" if text == "0" else text)
    if match is None:
        raise _no_rate(text)
    count = float(match[1])
    if count > MAX_COUNT:
        raise RateError(
            f"{_shown(text)} is more than {MAX_COUNT}", "for no limit, leave the rate out"
        )
    if not count:
        return Rate(0)
    return Rate(count, _period(match[3]), "lines" if match[2] == "lines" else "events")


def _parse_limit(text: str) -> Rate | Ramp:
    if not text.startswith("from "):
        return parse_rate(text)
    match = _RAMP_PATTERN.fullmatch(text)
    if match is None:
        raise RateError(
            f"{_shown(text)} is no ramp", "write for example from 100/s to 5000/s over 10m"
        )
    length = _DURATION_PATTERN.fullmatch(match[3])
    seconds = round(float(length[1]) * _DURATION_SECONDS[length[2]], 6) if length else 0.0
    if seconds <= 0:
        raise RateError(
            f"{_shown(match[3])} is no time for a ramp", "write for example 30s, 10m or 2h"
        )
    return Ramp(parse_rate(match[1]), parse_rate(match[2]), seconds)


def _parse_window(text: str) -> tuple[str, Window]:
    """Return what stands before the window, and the window."""
    match = _WINDOW_PATTERN.fullmatch(text)
    if match is None:
        raise RateError(
            f"{_shown(text)} has no whole window",
            "write for example 1000/s between 22:00 and 06:00 Europe/Berlin",
        )
    limit, first, last, zone = match.groups()
    try:
        return limit, make_window(first, last, zone, f"between {first} and {last}")
    except ClockError as error:
        raise RateError(error.message, error.remedy) from None


def _plain_text(written: object) -> str:
    if isinstance(written, int | float) and not isinstance(written, bool):
        if written == 0:
            return "0"
        raise RateError(f"{written} has no unit", f"write for example {written}/s")
    if not isinstance(written, str) or len(written) > MAX_LENGTH:
        raise RateError(f"{_shown(written)} is no rate", EXAMPLE)
    return " ".join(written.split())


def _no_rate(text: str) -> RateError:
    if re.fullmatch(_NUMBER, text):
        return RateError(f"{_shown(text)} has no unit", f"write for example {text}/s")
    loose = _LOOSE_PATTERN.fullmatch(text.lower())
    if loose:
        period = "s" if loose[3] else "m" if loose[4] else "h"
        unit = " lines" if (loose[2] or "").startswith("line") else ""
        return RateError(f"{_shown(text)} is no rate", f"write {loose[1]}{unit}/{period}")
    return RateError(f"{_shown(text)} is no rate", EXAMPLE)


def _units(rule: RateRule) -> set[Unit]:
    limit = rule.limit
    rates = [limit] if isinstance(limit, Rate) else [limit.first, limit.last]
    if rule.otherwise is not None:
        rates.append(rule.otherwise)
    return {rate.unit for rate in rates if rate.count}


def _period(letter: str) -> Period:
    return "s" if letter == "s" else "m" if letter == "m" else "h"


def _shown(written: object) -> str:
    if not isinstance(written, str):
        return type(written).__name__
    return repr(written if len(written) <= 60 else written[:60] + "…")


def _number_text(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _duration_text(seconds: float) -> str:
    for letter in ("d", "h", "m", "s"):
        if seconds % _DURATION_SECONDS[letter] == 0:
            return f"{_number_text(seconds / _DURATION_SECONDS[letter])}{letter}"
    return f"{_number_text(seconds * 1000)}ms"
