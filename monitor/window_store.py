"""Which windows does each entry change, and which entries are already in them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from farandole.monitor.entry_measures import EntryMeasure
from farandole.monitor.tumbling_windows import (
    FINE_RING,
    MINUTE_RING,
    RINGS,
    SPANS,
    MinuteFigures,
    SpanFigures,
    Window,
    minute_figures,
    span_figures,
)

log = structlog.get_logger()


class WindowKey(NamedTuple):
    """The key of a window: partition of the ledger, stage, ring and slot."""

    partition: int
    pipeline: str
    stage: str
    ring: int
    """The length of the ring's windows, in seconds."""
    slot: int

    def to_bytes(self) -> bytes:
        """Return the key of the window in the table."""
        return "/".join(map(str, self)).encode()  # no name contains a slash

    @classmethod
    def from_bytes(cls, key: bytes) -> WindowKey:
        """Return the key of a row in the table. Raises ValueError if it is none."""
        partition, pipeline, stage, ring, slot = key.decode().split("/")
        return cls(int(partition), pipeline, stage, int(ring), int(slot))


@dataclass(slots=True)
class WindowStore:
    """All windows that are kept. Faust's table contains the same, except for those in `unsaved`.

    An entry may be read twice, for example after a crash. Each window stores the last offset that
    it has counted, and the entries of a partition are read in order. So no window counts an entry
    twice, even if only some of the windows had reached the table.
    """

    windows: dict[WindowKey, Window] = field(default_factory=dict)
    unsaved: set[WindowKey] = field(default_factory=set)

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace everything by the rows of the table; a row that no monitor wrote is logged and
        skipped."""
        self.windows, self.unsaved = {}, set()
        for key, value in rows:
            try:
                self.windows[WindowKey.from_bytes(key)] = Window.from_bytes(value)
            except ValueError:
                log.warning("window.foreign", key=key.decode(errors="backslashreplace"))

    def add(self, partition: int, offset: int, measure: EntryMeasure) -> None:
        """Count an entry in one window of each ring."""
        at = measure.at / 1000
        for ring in RINGS:
            start = ring.start(at)
            key = WindowKey(
                partition, measure.pipeline, measure.stage, ring.seconds, ring.slot(start)
            )
            window = self.windows.get(key)
            if window is not None and (start < window.start or offset <= window.counted_through):
                continue  # too old to be kept, or counted already
            if window is None or start > window.start:
                window = self.windows[key] = Window(start, offset)
            window.add(measure, offset)
            self.unsaved.add(key)

    def take_unsaved(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the unsaved rows of a partition, which the caller writes to the table."""
        keys = [key for key in self.unsaved if key.partition == partition]
        self.unsaved.difference_update(keys)
        for key in keys:
            yield key.to_bytes(), self.windows[key].to_bytes()

    def stage_figures(self, now: float) -> Mapping[tuple[str, str], StageFigures]:
        """Return the figures of every stage that has a window, by pipeline and stage."""
        fine: dict[tuple[str, str], list[Window]] = {}
        last: dict[tuple[str, str], int] = {}
        for place, window in self.windows.items():
            key = place.pipeline, place.stage
            last[key] = max(last.get(key, 0), window.last)
            if place.ring == FINE_RING.seconds:
                fine.setdefault(key, []).append(window)
        return {
            key: StageFigures(
                last[key],
                {n: span_figures(fine.get(key, ()), FINE_RING, s, now) for n, s in SPANS.items()},
            )
            for key in sorted(last)
        }

    def minute_figures(self, pipeline: str, stage: str, now: float) -> list[MinuteFigures]:
        """Return the minutes of a stage in which something happened, the oldest first."""
        return list(
            minute_figures(
                (
                    window
                    for place, window in self.windows.items()
                    if (place.pipeline, place.stage, place.ring)
                    == (pipeline, stage, MINUTE_RING.seconds)
                ),
                now,
            )
        )


class StageFigures(NamedTuple):
    """The figures of one stage in the last minutes."""

    last: int
    """When its newest entry was written, in milliseconds of the epoch."""
    spans: Mapping[str, SpanFigures]
