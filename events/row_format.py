"""May this release read a row or a record that another release of Farandole wrote?

Each row and record of ours that is read back has a `format`, a whole number; without one it has
format 1. A new optional field leaves the number as it is: older releases ignore the field, and keep
it when they write the row again. A larger number means that an older release would misunderstand
the row, and must not use it. docs/compatibility.md has the whole rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NewerFormatError(Exception):
    """A row or a record has a format that only a newer release of Farandole knows."""

    def __init__(self, what: str, number: int, known: int) -> None:
        """`what` names the row, `number` is its format, and `known` the newest format of such rows
        that this release knows."""
        super().__init__(
            f"{what} has format {number}, and this release of Farandole knows formats up to"
            f" {known}: a newer release wrote it; upgrade Farandole here"
        )
        self.number = number


def check_format(what: str, row: Mapping[str, Any], known: int) -> None:
    """Raise NewerFormatError if the format of `row` is larger than `known`, the newest format of
    such rows that this release knows. A `format` that is no whole number is not judged here."""
    number = row.get("format", 1)
    if isinstance(number, int) and number > known:
        raise NewerFormatError(what, number, known)
