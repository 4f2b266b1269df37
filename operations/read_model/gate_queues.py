"""Which runs wait before gated stages until all upstream is worked, and their checks are judged?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from farandole.catalog.gates import Gate, gates_of
from farandole.events.run_row import RunRow
from farandole.events.topology_version import Version
from farandole.operations.graph.stage_condition import GateQueue
from farandole.operations.read_model.open_edges import EdgeLoad, EdgeName


class JudgedGates:
    """Of which open runs gates were judged, by the newest rows of the runs."""

    def __init__(self) -> None:
        self._judged: dict[str, frozenset[str]] = {}

    def put(self, run: str, row: RunRow | None) -> None:
        """Take the newest row of a run; None if it is deleted."""
        judged = frozenset() if row is None or row["closed"] is not None else row.get("gates", {})
        if judged:
            self._judged[run] = frozenset(judged)
        else:
            self._judged.pop(run, None)

    def of(self, run: str) -> Collection[str]:
        """Return the stages whose gates were judged for an open run: open, failed or released."""
        return self._judged.get(run, ())


class OpenRun(NamedTuple):
    """A run that has not ended, and what is on its edges."""

    run: str
    opened: int
    """In milliseconds of the epoch."""
    loads: Mapping[EdgeName, EdgeLoad]


def gate_queues(
    versions: Iterable[Version], runs: Callable[[], Iterable[OpenRun]], judged: JudgedGates
) -> dict[tuple[str, str], GateQueue]:
    """Return by pipeline and stage the runs that have events before a gate which is not judged yet.
    `runs` is asked only if a version has a gate."""
    gates = {(v.pipeline, v.version): of for v in versions if (of := gates_of(v))}
    found: dict[tuple[str, str], GateQueue] = {}
    for run in runs() if gates else ():
        for edge in {(e.pipeline, e.version, e.stage): e for e in run.loads}.values():
            gate = gates.get((edge.pipeline, edge.version), {}).get(edge.stage)
            if gate is None or gate.stage in judged.of(run.run):
                continue
            if _in_flight(run, edge, {gate.stage}):
                place = edge.pipeline, gate.stage
                found[place] = _with(found.get(place), run, edge, gate)
    return found


def _with(known: GateQueue | None, run: OpenRun, edge: EdgeName, gate: Gate) -> GateQueue:
    since = datetime.fromtimestamp(run.opened / 1000, UTC)
    if known is not None and (known.since, known.run) <= (since, run.run):
        return known._replace(runs=known.runs + 1)
    upstream = {
        stage: n for stage in sorted(gate.upstream) if (n := _in_flight(run, edge, {stage}))
    }
    runs = 1 if known is None else known.runs + 1
    return GateQueue(runs, run.run, since, upstream, tuple(sorted(gate.checks)))


def _in_flight(run: OpenRun, of: EdgeName, stages: Collection[str]) -> int:
    """Return how many events of a run, under the version of an edge, are on their way into these
    stages."""
    return sum(
        load.in_flight
        for edge, load in run.loads.items()
        if edge.stage in stages and (edge.pipeline, edge.version) == (of.pipeline, of.version)
    )
