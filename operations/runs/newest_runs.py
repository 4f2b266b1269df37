"""Which are the newest runs, of those that are wanted, where there may be millions?"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import NamedTuple

from farandole.events.run_row import RunRow, in_flight


class RunSummary(NamedTuple):
    """A run in one line."""

    run: str
    pipeline: str
    version: int
    status: str
    opened: int
    """Milliseconds of the epoch, as is `closed`."""
    closed: int | None
    events: int
    """Emitted, of all types, and the root."""
    dead: int
    in_flight: int
    late: bool


def summarize_run(row: RunRow) -> RunSummary:
    """An event that several stages subscribe to counts once."""
    emitted: dict[str, int] = {}
    for name, edge in row["edges"].items():
        event_type = name.rpartition(">")[0]
        emitted[event_type] = max(emitted.get(event_type, 0), edge["emitted"])
    edges = row["edges"].values()
    return RunSummary(
        run=row["run"],
        pipeline=row["pipeline"],
        version=row["version"],
        status=row["status"],
        opened=row["opened"],
        closed=row["closed"],
        events=sum(emitted.values()) + sum(row["leaves"].values()),
        dead=sum(edge["dead"] for edge in edges),
        in_flight=sum(map(in_flight, edges)),
        late=row["late"],
    )


class NewestRuns:
    """The newest of the runs that are wanted, up to `room` of them; a later row of a run replaces
    the one before."""

    def __init__(self, wanted: Callable[[RunSummary], bool], room: int) -> None:
        self._wanted = wanted
        self._room = room
        self._found: dict[str, RunSummary] = {}
        self._heap: list[tuple[int, str]] = []
        self._lost: int | None = None

    def add(self, name: str, row: RunRow | None) -> None:
        self._found.pop(name, None)
        if row is None:
            return
        run = summarize_run(row)
        if not self._wanted(run):
            return
        self._found[name] = run
        heapq.heappush(self._heap, (run.opened, name))
        while len(self._found) > self._room:
            opened, oldest = heapq.heappop(self._heap)
            if oldest in self._found and self._found[oldest].opened == opened:
                del self._found[oldest]
                self._lost = max(opened, self._lost or 0)
        if len(self._heap) > 2 * self._room + 64:  # most of it is of rows that were replaced
            self._heap = [(run.opened, name) for name, run in self._found.items()]
            heapq.heapify(self._heap)

    def sure(self, most: int) -> bool:
        """Are the first `most` of them the newest that there are? Else what had no room is newer
        than what is left after others were replaced: look again with more."""
        if self._lost is None:
            return True
        found = sorted((run.opened for run in self._found.values()), reverse=True)
        return len(found) >= most and found[most - 1] >= self._lost

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[RunSummary]:
        """Newest first."""
        return iter(sorted(self._found.values(), key=lambda run: (-run.opened, run.run)))
