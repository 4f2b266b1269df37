"""Random cron expressions."""

from __future__ import annotations

import random
from collections.abc import Sequence

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def random_expression(rng: random.Random) -> str:
    """Return an expression of five fields; half of them fire at night, when clocks are changed."""
    hours = range(24) if rng.random() < 0.5 else range(4)
    return " ".join(
        (
            _field(rng, range(60), 60, stars=0.3),
            _field(rng, hours, 24, stars=0.3),
            _month_days(rng),
            _field(rng, range(1, 13), 12, stars=0.7, names=_MONTHS),
            _weekdays(rng),
        )
    )


def _month_days(rng: random.Random) -> str:
    if rng.random() < 0.08:
        return rng.choice(("L", "LW", "15,L", "1,LW"))
    return _field(rng, range(1, 32), 31, stars=0.6)


def _weekdays(rng: random.Random) -> str:
    if rng.random() < 0.1:
        day = rng.choice((*_WEEKDAYS, "0", "7", "3"))
        return day + rng.choice(("L", "#1", "#2", "#4", "#5", "#3,MON"))
    return _field(rng, range(8), 7, stars=0.6, names=_WEEKDAYS)


def _field(
    rng: random.Random, values: Sequence[int], size: int, stars: float, names: Sequence[str] = ()
) -> str:
    if rng.random() < stars:
        return "*" if rng.random() < 0.6 else f"*/{rng.randint(1, size)}"
    terms = [_term(rng, values, size, names) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    return ",".join(terms)


def _term(rng: random.Random, values: Sequence[int], size: int, names: Sequence[str]) -> str:
    first, last = (_value(rng, values, names) for _ in range(2))
    kind = rng.random()
    if kind < 0.5:
        return first
    if kind < 0.75:
        return f"{first}-{last}"
    if kind < 0.9:
        return f"{first}-{last}/{rng.randint(1, size)}"
    if kind < 0.97:
        return f"{first}/{rng.randint(1, size)}"
    return f"*/{rng.randint(1, size)}"


def _value(rng: random.Random, values: Sequence[int], names: Sequence[str]) -> str:
    value = rng.choice(values)
    if names and rng.random() < 0.5:
        name = names[(value - values[0]) % len(names)]
        return rng.choice((name, name.lower(), name.capitalize()))
    return str(value)
