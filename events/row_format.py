"""May this release read a row or a record that another release of Farandole wrote?

Each row and record of ours that is read back has a `format`, a whole number; without one it has
format 1. A new optional field leaves the number as it is: older releases ignore the field, and keep
it when they write the row again. A larger number means that an older release would misunderstand
the row, and must not use it. docs/compatibility.md has the whole rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

KNOWN_FORMATS: Mapping[str, int] = MappingProxyType(
    {
        "version": 5,
        "router report": 1,
        "installation": 1,
        "retry row": 3,
        "breaker row": 1,
        "ledger entry": 2,
        "run row": 2,
        "alert": 1,
        "incident": 1,
        "notifier position": 1,
        "notice": 1,
        "settlement": 1,
        "share row": 1,
        "control document": 1,
        "crash marker": 1,
        "canary row": 1,
        "schedule row": 1,
        "firing": 1,
        "action": 1,
        "quality row": 1,
        "quality history": 1,
        "quality findings": 1,
        "parked order": 1,
    }
)
"""By kind of row, the newest format that this release knows."""


_CERTAINLY_WRITTEN = 200  # brackets, below orjson's limit of 254 levels


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


def check_format(kind: str, row: Any, name: str = "") -> None:
    """Raise NewerFormatError if this release does not know the format of a row.

    `kind` is one of KNOWN_FORMATS, `name` says which row it is. A row that is no mapping, or whose
    `format` is no whole number, is not judged here.
    """
    number = row.get("format", 1) if isinstance(row, Mapping) else 1
    known = KNOWN_FORMATS[kind]
    if isinstance(number, int) and number > known:
        raise NewerFormatError(f"{kind} {name}".rstrip(), number, known)


def check_json_format(kind: str, value: bytes, name: str = "") -> None:
    """Check the format of a row that is JSON, as `check_format` does. Bytes that are no JSON are
    not judged here."""
    try:
        row = orjson.loads(value)
    except ValueError:
        return
    check_format(kind, row, name)


def can_be_written_again(encoded: bytes) -> bool:
    """Return True if what orjson reads from a row can be written with it: it reads values that are
    nested more deeply than those that it writes, and unknown fields of a row are kept."""
    if encoded.count(b"[") + encoded.count(b"{") < _CERTAINLY_WRITTEN:
        return True
    try:
        orjson.dumps(orjson.loads(encoded))
    except TypeError:
        return False
    return True
