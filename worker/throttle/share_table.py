"""Which shares do the lanes say that they use, as this process has read it?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from farandole.events.row_format import NewerFormatError
from farandole.events.share_row import parse_share_row
from farandole.worker.throttle.share_claim import FORGET_SECONDS, SeenRow

log = structlog.get_logger()


class ShareRows(Protocol):
    """`farandole.shares`, as it was read."""

    def rows(self) -> Mapping[bytes, bytes] | None:
        """Return the rows by key, a new object after each change; None if lanes cannot tell each
        other anything."""

    def written_at(self) -> Mapping[bytes, int]:
        """Return when each row was written by the broker's clock, in milliseconds."""


class NoShareRows:
    """Lanes cannot tell each other anything."""

    def rows(self) -> None:
        return None

    def written_at(self) -> Mapping[bytes, int]:
        return {}


class ShareTable:
    """The rows of `farandole.shares`, and when this process has first seen each."""

    def __init__(self, source: ShareRows, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` returns seconds of a clock that never goes back."""
        self._source = source
        self._monotonic = monotonic
        self._rows: Mapping[bytes, bytes] = {}
        self._seen: dict[bytes, tuple[bytes, SeenRow | None]] = {}
        self._by_prefix: dict[bytes, Mapping[str, SeenRow]] = {}

    def rows_with(self, prefix: bytes) -> Mapping[str, SeenRow] | None:
        """Return the rows whose key begins with `prefix`, by the rest of the key, the same object
        until one of the table changes; None if lanes cannot tell each other anything."""
        rows = self._source.rows()
        if rows is None:
            return None
        if rows is not self._rows:
            self._rows = rows
            self._by_prefix.clear()
            now = self._monotonic()
            seen = {}
            for key, value in rows.items():
                known = self._seen.get(key)
                is_known = known is not None and known[0] == value
                seen[key] = known if known and is_known else (value, _seen_row(key, value, now))
            self._seen = seen
        found = self._by_prefix.get(prefix)
        if found is None:
            found = self._by_prefix[prefix] = self._read(prefix)
        return found

    def _read(self, prefix: bytes) -> Mapping[str, SeenRow]:
        """Return the rows with this prefix, without those that were forgotten when the newest of
        them was written: a process that has just begun to read cannot know for how long a row has
        stood there."""
        written = {key: at for key, at in self._source.written_at().items() if key in self._seen}
        newest = max((at for key, at in written.items() if key.startswith(prefix)), default=0)
        oldest = newest - FORGET_SECONDS * 1000
        return {
            key[len(prefix) :].decode(errors="replace"): row
            for key, (_, row) in self._seen.items()
            if row is not None and key.startswith(prefix) and written.get(key, newest) >= oldest
        }


def _seen_row(key: bytes, value: bytes, now: float) -> SeenRow | None:
    try:
        row = parse_share_row(value)
    except (NewerFormatError, ValueError) as error:
        log.warning("share.unread", key=key.decode(errors="backslashreplace"), why=str(error)[:200])
        return None
    return SeenRow(row, now)
