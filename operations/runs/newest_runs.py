"""Which are the newest matching runs among perhaps millions?"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from farandole.events.check_verdict import count_verdicts
from farandole.events.run_row import RunRow, in_flight, split_edge_name


@dataclass(frozen=True, slots=True)
class RunSummary:
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
    schedule: str | None = None
    """The schedule that opened it; None if none did."""
    planned: str | None = None
    """The planned time of that firing: `2026-11-30T02:30:00Z`."""
    last: int = 0
    """When the newest of its events was settled, in milliseconds of the epoch."""
    amended: int = 0
    """How often events were settled after the run had ended."""
    lines: int | None = None
    """The data lines of its largest event type; None if no event of it has several lines."""
    within: float | None = None
    """Seconds in which it is expected to complete; None if nothing is expected."""
    root: str | None = None
    """The type of the event that opened it; None if that is not known yet."""
    failed_checks: int = 0
    """How many checks of its data have failed."""
    again: str | None = None
    """The run that it repeats; None if it repeats none."""


def summarize_run(row: RunRow) -> RunSummary:
    """Return a run in one line. An event that several stages subscribe to counts once. Texts that
    many runs have are one object: a console keeps 100,000 summaries."""
    emitted: dict[str, int] = {}
    for name, edge in row["edges"].items():
        event_type, _ = split_edge_name(name)
        emitted[event_type] = max(emitted.get(event_type, 0), edge["emitted"])
    edges = row["edges"].values()
    root: Mapping[str, Any] = {} if row["root"] is None else row["root"]
    return RunSummary(
        run=row["run"],
        pipeline=intern(row["pipeline"]),
        version=row["version"],
        status=intern(row["status"]),
        opened=row["opened"],
        closed=row["closed"],
        events=sum(emitted.values()) + sum(row["leaves"].values()),
        dead=sum(edge["dead"] for edge in edges),
        in_flight=sum(map(in_flight, edges)),
        late=row["late"],
        schedule=_shared(root.get("schedule")),
        planned=root.get("planned"),
        last=row["last"],
        amended=row["amended"],
        lines=max((edge["lines"] for edge in edges if "lines" in edge), default=None),
        within=root.get("within"),
        root=_shared(root.get("type")),
        failed_checks=count_verdicts(row.get("checks", {}), "failed"),
        again=root.get("again"),
    )


def _shared(text: str | None) -> str | None:
    return None if text is None else intern(text)


class NewestRuns:
    """The newest of the runs that match, at most `capacity` of them. A later row of a run replaces
    the earlier one."""

    def __init__(self, matches: Callable[[RunSummary], bool], capacity: int) -> None:
        self._matches = matches
        self._capacity = capacity
        self._found: dict[str, RunSummary] = {}
        self._heap: list[tuple[int, str]] = []
        self._newest_evicted: int | None = None

    def add(self, name: str, row: RunRow | None) -> None:
        """Take the next record of a run; `row` is None if the run is deleted."""
        self._found.pop(name, None)
        if row is None:
            return
        run = summarize_run(row)
        if not self._matches(run):
            return
        self._found[name] = run
        heapq.heappush(self._heap, (run.opened, name))
        while len(self._found) > self._capacity:
            opened, oldest = heapq.heappop(self._heap)
            if oldest in self._found and self._found[oldest].opened == opened:
                del self._found[oldest]
                self._newest_evicted = max(opened, self._newest_evicted or 0)
        if len(self._heap) > 2 * self._capacity + 64:  # most entries are of replaced rows
            self._heap = [(run.opened, name) for name, run in self._found.items()]
            heapq.heapify(self._heap)

    def is_exact(self, most: int) -> bool:
        """Return True if the first `most` runs are certainly the newest. False if an evicted run
        may be newer than a remaining one, because later rows replaced others: then read again with
        a larger capacity."""
        if self._newest_evicted is None:
            return True
        found = sorted((run.opened for run in self._found.values()), reverse=True)
        return len(found) >= most and found[most - 1] >= self._newest_evicted

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[RunSummary]:
        """Iterate over the runs, the newest first."""
        return iter(sorted(self._found.values(), key=lambda run: (-run.opened, run.run)))
