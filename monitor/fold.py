"""Which windows does each entry change, and which entries are already in them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from farandole.monitor.measures import Measure
from farandole.monitor.windows import (
    FINE,
    MINUTES,
    RINGS,
    SPANS,
    Figures,
    Minute,
    Window,
    figures,
    minutes,
)


class Place(NamedTuple):
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
    def read(cls, key: bytes) -> Place:
        partition, pipeline, stage, ring, slot = key.decode().split("/")
        return cls(int(partition), pipeline, stage, int(ring), int(slot))


@dataclass(slots=True)
class Fold:
    """All windows that are kept, as a table holds them too: `changed` are those that it lacks.

    An entry may be read twice (after a crash, say). Each window remembers the last offset that it
    has counted, and entries of one partition are read in their order: so none is counted twice,
    whichever windows had reached the table.
    """

    windows: dict[Place, Window] = field(default_factory=dict)
    changed: set[Place] = field(default_factory=set)

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin with what the table holds, and nothing else."""
        self.windows = {Place.read(key): Window.read(value) for key, value in rows}
        self.changed = set()

    def add(self, partition: int, offset: int, measure: Measure) -> None:
        at = measure.at / 1000
        for ring in RINGS:
            start = ring.start(at)
            place = Place(
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

    def stages(self, now: float) -> Mapping[tuple[str, str], Stage]:
        """Every stage of whose doings anything is kept, by pipeline and name."""
        fine: dict[tuple[str, str], list[Window]] = {}
        last: dict[tuple[str, str], int] = {}
        for place, window in self.windows.items():
            key = place.pipeline, place.stage
            last[key] = max(last.get(key, 0), window.last)
            if place.ring == FINE.seconds:
                fine.setdefault(key, []).append(window)
        return {
            key: Stage(
                last[key],
                {n: figures(fine.get(key, ()), FINE, s, now) for n, s in SPANS.items()},
            )
            for key in sorted(last)
        }

    def minutes(self, pipeline: str, stage: str, now: float) -> list[Minute]:
        return list(
            minutes(
                (
                    window
                    for place, window in self.windows.items()
                    if (place.pipeline, place.stage, place.ring)
                    == (pipeline, stage, MINUTES.seconds)
                ),
                now,
            )
        )


class Stage(NamedTuple):
    """How one stage is doing."""

    last: int
    """When its newest entry was written, in milliseconds of the epoch."""
    spans: Mapping[str, Figures]
