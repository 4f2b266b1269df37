"""What happened in a span of time, by the counts of tumbling windows?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import NamedTuple, TypedDict

import orjson

from farandole.monitor.entry_measures import EntryMeasure


class WindowRing(NamedTuple):
    """Windows of `seconds` each, of which the newest `slots` are kept. A new window takes the slot
    of the one that is `slots` windows older, so that nothing has to be deleted."""

    seconds: int
    slots: int

    def start(self, at: float) -> int:
        """Return the start of the window that contains a time; both in seconds of the epoch."""
        return int(at) // self.seconds * self.seconds

    def slot(self, start: int) -> int:
        """Return the slot of the window that starts then."""
        return start // self.seconds % self.slots


FINE_RING = WindowRing(10, 64)
"""It covers more than ten minutes; the spans are computed from it."""
MINUTE_RING = WindowRing(60, 192)
"""It covers more than three hours."""
RINGS = (FINE_RING, MINUTE_RING)

SPANS = {"10s": 10, "1m": 60, "10m": 600}
"""Seconds, by name."""


@dataclass(slots=True)
class Window:
    """What one stage did in one window, counted from one partition of the ledger.

    A row on disk is the list of the fields in this order: a new field comes last, with a default.
    """

    start: int
    """Seconds of the epoch."""
    counted_through: int
    """The offset of the last entry that is counted, so that none is counted twice."""
    last: int = 0
    """When the newest entry was written, in milliseconds of the epoch."""
    consumed: int = 0
    emitted: int = 0
    dead: int = 0
    dropped: int = 0
    filtered: int = 0
    cancelled: int = 0
    seconds: float = 0.0
    age: float = 0.0
    """Of the oldest event when it was settled, in seconds: the worst."""
    parked: int = 0
    bypassed: int = 0

    def add(self, measure: EntryMeasure, offset: int) -> None:
        """Count an entry."""
        self.counted_through = offset
        self.last = max(self.last, measure.at)
        self.consumed += measure.consumed
        self.emitted += measure.emitted
        self.dead += measure.dead
        self.dropped += measure.dropped
        self.filtered += measure.filtered
        self.cancelled += measure.cancelled
        self.parked += measure.parked
        self.bypassed += measure.bypassed
        self.seconds += measure.seconds
        self.age = max(self.age, measure.age)

    def to_bytes(self) -> bytes:
        """Return the row of the window in the table."""
        return orjson.dumps(astuple(self))

    @classmethod
    def from_bytes(cls, value: bytes) -> Window:
        """Return the window in a row; one of an older version has fewer fields. Raises ValueError
        if no monitor wrote the row."""
        fields = orjson.loads(value)
        if (
            not isinstance(fields, list)
            or not 2 <= len(fields) <= len(cls.__slots__)
            or not all(type(field) in (int, float) for field in fields)
        ):
            raise ValueError("no row of a window")
        return cls(*fields)


class SpanFigures(TypedDict):
    """Figures of one stage in one span of time. Averages are None if there were no events."""

    consumed: int
    emitted: int
    dead: int
    bypassed: int
    dropped: int
    filtered: int
    cancelled: int
    parked: int
    """Events that began to wait for a retry, minus those whose retry has begun. Can be negative."""
    rate: float
    """Events consumed a second."""
    handling_ms: float | None
    """Of one event, on average."""
    dead_share: float | None
    age: float | None
    """Of the oldest event when it was settled, in seconds: the worst."""


def span_figures(windows: Iterable[Window], ring: WindowRing, span: int, now: float) -> SpanFigures:
    """Return the figures of the last `span` seconds before `now`. The window in which the span
    begins counts in part, as if its events were spread evenly."""
    parts = [
        (each, share) for each in windows if (share := _overlap_share(each, ring, span, now)) > 0
    ]

    def total(name: str) -> float:
        return float(sum(getattr(each, name) * share for each, share in parts))

    consumed = total("consumed")
    has_events = any(each.consumed for each, _ in parts)
    return {
        "consumed": round(consumed),
        "emitted": round(total("emitted")),
        "dead": round(total("dead")),
        "bypassed": round(total("bypassed")),
        "dropped": round(total("dropped")),
        "filtered": round(total("filtered")),
        "cancelled": round(total("cancelled")),
        "parked": round(total("parked")),
        "rate": consumed / span,
        "handling_ms": total("seconds") / consumed * 1000 if has_events else None,
        "dead_share": total("dead") / consumed if has_events else None,
        "age": max(each.age for each, _ in parts) if has_events else None,
    }


def _overlap_share(window: Window, ring: WindowRing, span: int, now: float) -> float:
    """Return the share of a window that lies in the span; a window that has not ended yet is taken
    to end at `now`."""
    until = min(float(window.start + ring.seconds), now)
    if until <= window.start:
        return 1.0 if window.start == now else 0.0
    return max(0.0, until - max(window.start, now - span)) / (until - window.start)


class MinuteFigures(TypedDict):
    """One minute of one stage."""

    at: int
    """When it began, in seconds of the epoch."""
    consumed: int
    emitted: int
    dead: int
    seconds: float
    age: float


def minute_figures(windows: Iterable[Window], now: float) -> Iterator[MinuteFigures]:
    """Yield the minutes that are kept and in which something happened, the oldest first."""
    by_start: dict[int, MinuteFigures] = {}
    oldest = MINUTE_RING.start(now) - (MINUTE_RING.slots - 1) * MINUTE_RING.seconds
    for each in windows:
        if each.start < oldest:
            continue
        minute = by_start.setdefault(
            each.start,
            {"at": each.start, "consumed": 0, "emitted": 0, "dead": 0, "seconds": 0.0, "age": 0.0},
        )
        minute["consumed"] += each.consumed
        minute["emitted"] += each.emitted
        minute["dead"] += each.dead
        minute["seconds"] += each.seconds
        minute["age"] = max(minute["age"], each.age)
    yield from (by_start[at] for at in sorted(by_start))
