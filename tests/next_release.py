"""What does the next release write, and how does a simulation upgrade its processes to it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from farandole.events import row_format
from farandole.events.row_format import KNOWN_FORMATS


def with_later_field(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with a field that this release does not know, and may ignore."""
    return {**row, "later": {"of": ["the next release", 1]}}


def of_newer_format(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row in a format that this release must not use."""
    return {**with_later_field(row), "format": KNOWN_FORMATS[kind] + 1}


@contextmanager
def upgraded(kind: str) -> Iterator[None]:
    """Let every process know the next format of a kind of row."""
    formats = {**KNOWN_FORMATS, kind: KNOWN_FORMATS[kind] + 1}
    with mock.patch.object(row_format, "KNOWN_FORMATS", formats):
        yield


def drop_newer(kind: str, row: Any, _: str = "") -> None:
    """Take a row of a newer format for a foreign one, as release 0.1.0 did: a mutant."""
    if isinstance(row, Mapping) and row.get("format", 1) > row_format.KNOWN_FORMATS[kind]:
        raise TypeError
