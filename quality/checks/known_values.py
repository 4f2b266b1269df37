"""Which values of a column are in no event of another type?"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from farandole.events.number_format import grouped
from farandole.quality.profiles.top_values import TopValues

_MOST_SHOWN = 5
_MAX_SHOWN_LENGTH = 40  # characters

KnownValue = tuple[str, Any]
"""A value with its kind: to Python, True is 1."""


def known_values(values: TopValues) -> list[KnownValue]:
    """Return the different values of a column, those that are too long to be kept as their
    hashes."""
    return [(kind, value) for kind in TopValues.__slots__ for value in getattr(values, kind)]


def unknown_values(values: TopValues, known: Container[KnownValue]) -> list[KnownValue]:
    """Return the values of a column that are not among the known ones, the most frequent first."""
    unknown = [each for each in known_values(values) if each not in known]
    return sorted(unknown, key=lambda each: (-getattr(values, each[0])[each[1]], each))


def unknown_text(unknown: Sequence[KnownValue], where: str) -> str:
    """Return what is to be said of values that are in none of `where`."""
    shown = ", ".join(map(_shown, unknown[:_MOST_SHOWN]))
    are = "1 value is" if len(unknown) == 1 else f"{grouped(len(unknown))} values are"
    return f"{are} in no {where}: {shown}"


def _shown(value: KnownValue) -> str:
    kind, it = value
    if kind == "long_texts":
        return f"a text of {grouped(it[1])} characters"
    return f"{it!r:.{_MAX_SHOWN_LENGTH}}"
