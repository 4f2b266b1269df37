"""Which windows does each entry change, and which entries are already in them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

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


class WindowKey(NamedTuple):
    """Where a window is kept: a slot of a ring, of a stage, of a partition of the ledger."""

    partition: int
    pipeline: str
    stage: str
    ring: int
    """Seconds of its windows."""
    slot: int

    def written(self) -> bytes:
        return "/".join(map(str, self)).encode()  # no name holds a slash

    @classmethod
    def read(cls, key: bytes) -> WindowKey:
        partition, pipeline, stage, ring, slot = key.decode().split("/")
        return cls(int(partition), pipeline, stage, int(ring), int(slot))


@dataclass(slots=True)
class WindowStore:
    """All windows that are kept, as a table holds them too: `changed` are those that it lacks.

    An entry may be read twice (after a crash, say). Each window remembers the last offset that it
    has counted, and entries of one partition are read in their order: so none is counted twice,
    whichever windows had reached the table.
    """

    windows: dict[WindowKey, Window] = field(default_factory=dict)
    changed: set[WindowKey] = field(default_factory=set)

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin with what the table holds, and nothing else."""
        self.windows = {WindowKey.read(key): Window.read(value) for key, value in rows}
        self.changed = set()

    def add(self, partition: int, offset: int, measure: EntryMeasure) -> None:
        at = measure.at / 1000
        for ring in RINGS:
            start = ring.start(at)
            place = WindowKey(
                partition, measure.pipeline, measure.stage, ring.seconds, ring.slot(start)
            )
            window = self.windows.get(place)
            if window is not None and (start < window.start or offset <= window.upto):
                continue  # too old to be kept, or counted
            if window is None or start > window.start:
                window = self.windows[place] = Window(start, offset)
            window.add(measure, offset)
            self.changed.add(place)

    def taken(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """The rows of a partition that the table lacks, which it then does not."""
        mine = [place for place in self.changed if place.partition == partition]
        self.changed.difference_update(mine)
        for place in mine:
            yield place.written(), self.windows[place].written()

    def stages(self, now: float) -> Mapping[tuple[str, str], StageFigures]:
        """Every stage of whose doings anything is kept, by pipeline and name."""
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

    def minutes(self, pipeline: str, stage: str, now: float) -> list[MinuteFigures]:
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
    """How one stage is doing."""

    last: int
    """When its newest entry was written, in milliseconds of the epoch."""
    spans: Mapping[str, SpanFigures]
