"""What happened in a span of time, as tumbling windows remember it?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import NamedTuple, TypedDict

import orjson

from farandole.monitor.entry_measures import EntryMeasure


class WindowRing(NamedTuple):
    """Windows of `seconds` each. The newest `slots` of them are kept: a window takes the place of
    the one that is a whole round older, so nothing ever has to be deleted."""

    seconds: int
    slots: int

    def start(self, at: float) -> int:
        """The window in which a moment lies; both in seconds of the epoch."""
        return int(at) // self.seconds * self.seconds

    def slot(self, start: int) -> int:
        return start // self.seconds % self.slots


FINE_RING = WindowRing(10, 64)
"""More than ten minutes: what the spans are made of."""
MINUTE_RING = WindowRing(60, 192)
"""More than three hours."""
RINGS = (FINE_RING, MINUTE_RING)

SPANS = {"10s": 10, "1m": 60, "10m": 600}
"""Seconds, by name."""


@dataclass(slots=True)
class Window:
    """What one stage did in one window, as far as one partition of the ledger says."""

    start: int
    """Seconds of the epoch."""
    upto: int
    """The offset of the last entry that is counted: none is counted twice."""
    last: int = 0
    """When the newest of them was written, in milliseconds of the epoch."""
    consumed: int = 0
    emitted: int = 0
    dead: int = 0
    dropped: int = 0
    filtered: int = 0
    cancelled: int = 0
    seconds: float = 0.0
    age: float = 0.0
    """The worst."""

    def add(self, measure: EntryMeasure, offset: int) -> None:
        self.upto = offset
        self.last = max(self.last, measure.at)
        self.consumed += measure.consumed
        self.emitted += measure.emitted
        self.dead += measure.dead
        self.dropped += measure.dropped
        self.filtered += measure.filtered
        self.cancelled += measure.cancelled
        self.seconds += measure.seconds
        self.age = max(self.age, measure.age)

    def written(self) -> bytes:
        return orjson.dumps(astuple(self))

    @classmethod
    def read(cls, value: bytes) -> Window:
        return cls(*orjson.loads(value))


class SpanFigures(TypedDict):
    """Of one stage in one span of time. What cannot be said of no events is None."""

    consumed: int
    emitted: int
    dead: int
    dropped: int
    filtered: int
    cancelled: int
    rate: float
    """Events consumed a second."""
    handling_ms: float | None
    """Of one event, on average."""
    dead_share: float | None
    age: float | None
    """Of the oldest event when it was settled, in seconds: the worst."""


def span_figures(windows: Iterable[Window], ring: WindowRing, span: int, now: float) -> SpanFigures:
    """The last `span` seconds before `now`. Of the window in which they begin its later part is
    taken, as if its events had come evenly."""
    parts = [
        (each, share) for each in windows if (share := _overlap_share(each, ring, span, now)) > 0
    ]

    def total(name: str) -> float:
        return float(sum(getattr(each, name) * share for each, share in parts))

    consumed = total("consumed")
    any_ = any(each.consumed for each, _ in parts)
    return {
        "consumed": round(consumed),
        "emitted": round(total("emitted")),
        "dead": round(total("dead")),
        "dropped": round(total("dropped")),
        "filtered": round(total("filtered")),
        "cancelled": round(total("cancelled")),
        "rate": consumed / span,
        "handling_ms": total("seconds") / consumed * 1000 if any_ else None,
        "dead_share": total("dead") / consumed if any_ else None,
        "age": max(each.age for each, _ in parts) if any_ else None,
    }


def _overlap_share(window: Window, ring: WindowRing, span: int, now: float) -> float:
    """How much of a window lies in the span; of the one that has not ended, what has gone by."""
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
    """The minutes that are kept and in which something happened, the oldest first."""
    begun: dict[int, MinuteFigures] = {}
    oldest = MINUTE_RING.start(now) - (MINUTE_RING.slots - 1) * MINUTE_RING.seconds
    for each in windows:
        if each.start < oldest:
            continue
        into = begun.setdefault(
            each.start,
            {"at": each.start, "consumed": 0, "emitted": 0, "dead": 0, "seconds": 0.0, "age": 0.0},
        )
        into["consumed"] += each.consumed
        into["emitted"] += each.emitted
        into["dead"] += each.dead
        into["seconds"] += each.seconds
        into["age"] = max(into["age"], each.age)
    yield from (begun[at] for at in sorted(begun))
