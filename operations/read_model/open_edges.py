"""What is in flight on each edge, by the rows of all open runs?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from farandole.events.run_row import (
    FOREIGN_EDGE_MARK,
    RunRow,
    edge_version,
    in_flight,
    pending_events,
    split_edge_name,
)


class EdgeName(NamedTuple):
    """An event type on its way into a stage, under one version."""

    pipeline: str
    version: int
    event: str
    stage: str


class EdgeLoad(NamedTuple):
    """What is on an edge, in events."""

    in_flight: int
    parked: int
    """Among those in flight: they wait for another try."""


class OpenEdges:
    """Sums over the open runs. A run that closes takes its share out again."""

    def __init__(self) -> None:
        self._shares: dict[str, Mapping[EdgeName, EdgeLoad]] = {}
        self._totals: dict[EdgeName, EdgeLoad] = {}

    def put(self, run: str, row: RunRow | None) -> None:
        """Take the newest row of a run; None if it is deleted."""
        for edge, load in self._shares.pop(run, {}).items():
            self._add(edge, -load.in_flight, -load.parked)
        share = {} if row is None else dict(_loads(row))
        if not share:
            return
        self._shares[run] = share
        for edge, load in share.items():
            self._add(edge, load.in_flight, load.parked)

    def by_run(self) -> Iterator[tuple[str, Mapping[EdgeName, EdgeLoad]]]:
        """Iterate over the runs that have anything on an edge."""
        yield from self._shares.items()

    def of(self, pipeline: str) -> dict[EdgeName, EdgeLoad]:
        """Return the edges of a pipeline on which anything is."""
        return {edge: load for edge, load in self._totals.items() if edge.pipeline == pipeline}

    def _add(self, edge: EdgeName, in_flight: int, parked: int) -> None:
        was = self._totals.get(edge, EdgeLoad(0, 0))
        now = EdgeLoad(was.in_flight + in_flight, was.parked + parked)
        if now == (0, 0):
            self._totals.pop(edge, None)
        else:
            self._totals[edge] = now


def _loads(row: RunRow) -> Iterator[tuple[EdgeName, EdgeLoad]]:
    """Yield what a run has on its edges, also after it has ended: a replay amends it. Without edges
    of another root or pipeline."""
    found: dict[EdgeName, EdgeLoad] = {}
    for name, edge in row["edges"].items():
        load = EdgeLoad(in_flight(edge), pending_events(edge))
        version = edge_version(row, name) if load != (0, 0) else None
        if version is not None:
            event, stage = split_edge_name(name.partition(FOREIGN_EDGE_MARK)[0])
            key = EdgeName(row["pipeline"], version, event, stage)
            was = found.get(key, EdgeLoad(0, 0))
            found[key] = EdgeLoad(was[0] + load[0], was[1] + load[1])
    yield from found.items()
