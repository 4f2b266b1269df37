"""Which stages are throttled now: events wait there for a rate, and for nothing else?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from farandole.events.row_format import NewerFormatError
from farandole.events.share_row import ShareRow, parse_share_row

FRESH_SECONDS = 60.0
"""A lane writes its row every ten seconds; what it said longer ago is not true any more."""

StageName = tuple[str, str]
"""A pipeline, and a stage of it."""


class Throttled(NamedTuple):
    """How a throttle holds back the events of a stage."""

    since: int
    """In milliseconds of the epoch."""
    waiting: int
    """How many events the lanes know of that they have not taken."""
    lanes: tuple[int, ...]
    """The lanes in which events wait."""


class ShareTable(Protocol):
    """The rows of `farandole.shares`."""

    @property
    def rows(self) -> Mapping[bytes, bytes]: ...


class ThrottledStages:
    """The throttled stages, as a table says that is kept up to date. `table`: None if there is
    none."""

    def __init__(
        self, table: ShareTable | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table
        self._monotonic = monotonic
        self._rows: Mapping[bytes, bytes] = {}
        self._seen: dict[bytes, tuple[ShareRow, float]] = {}

    def current(self) -> dict[StageName, Throttled]:
        """Return the stages that are throttled now. Rows count by when they were seen first: the
        clocks of workers play no part."""
        now = self._monotonic()
        if self._table is not None and self._table.rows is not self._rows:
            before, self._rows = self._rows, self._table.rows
            self._seen = {
                key: self._seen[key]
                if before.get(key) == value and key in self._seen
                else (row, now)
                for key, value in self._rows.items()
                if (row := read_share(value)) is not None
            }
        return throttled_stages(
            {key: row for key, (row, at) in self._seen.items() if now - at < FRESH_SECONDS}
        )


def throttled_in(rows: Mapping[bytes, bytes], now_ms: int) -> dict[StageName, Throttled]:
    """Return the stages that are throttled, by a table that is read once."""
    return throttled_stages(fresh_shares(rows, now_ms))


def fresh_shares(rows: Mapping[bytes, bytes], now_ms: int) -> dict[bytes, ShareRow]:
    """Return the rows of a table that are still true. The clocks of their writers may differ from
    ours by a minute."""
    read = {key: read_share(value) for key, value in rows.items()}
    oldest = now_ms - 2000 * FRESH_SECONDS
    return {key: row for key, row in read.items() if row is not None and row.at > oldest}


def read_share(value: bytes | None) -> ShareRow | None:
    """Return a row; None if no lane of this release wrote it."""
    try:
        return parse_share_row(value or b"")
    except (ValueError, NewerFormatError):
        return None


def throttled_stages(rows: Mapping[bytes, ShareRow]) -> dict[StageName, Throttled]:
    """Return the stages of which a lane says that events wait for a throttle. `rows`: those that
    are still true, by key."""
    found: dict[StageName, Throttled] = {}
    for key, row in rows.items():
        kind, *names = key.decode(errors="replace").split("/")
        if kind not in ("throttle", "roots") or len(names) != 3 or not row.throttled:
            continue
        pipeline, stage, lane = names
        if not lane.isdecimal():
            continue
        was = found.get((pipeline, stage), Throttled(row.throttled, 0, ()))
        found[pipeline, stage] = Throttled(
            min(was.since, row.throttled),
            was.waiting + row.waiting,
            tuple(sorted({*was.lanes, int(lane)})),
        )
    return found
