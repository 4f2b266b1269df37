"""Does a gate open to a run?

All that is upstream of a gated stage is worked in the first prefix of the run's entries in which
each edge into those stages balances. The proof is that of `ledger/run_completion.py`, for these
edges alone: whatever emits an event of theirs is itself upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from farandole.catalog.gates import Gate
from farandole.events.check_verdict import CheckVerdicts
from farandole.events.gate_row import RunGate
from farandole.events.run_row import (
    RunEdge,
    RunRow,
    edge_stage,
    edge_version,
    edges_balance,
)


class GateChange(NamedTuple):
    """What becomes of one gate for one run."""

    stage: str
    opens: bool | None
    """True if its row is to be written, False if it is to be deleted, None if it stays as it is."""
    failed: CheckVerdicts
    """The checks that have just kept it closed."""
    decided: bool
    """True if it was closed by a failed check, and is no longer."""


def update_gates(
    row: RunRow,
    gates: Mapping[str, Gate],
    judge: Callable[[], CheckVerdicts],
    at: int,
) -> Sequence[GateChange]:
    """Note in the row of a run that has changed what becomes of its gates, and return the changes.
    `judge` returns the verdicts over the run as of now; `at`: milliseconds of the epoch."""
    if row["root"] is None:
        return ()
    known = row.get("gates", {})
    changed: dict[str, RunGate] = {}
    changes: list[GateChange] = []
    is_over = row["closed"] is not None and edges_balance(row["edges"])
    for stage, gate in gates.items():
        found = known.get(stage)
        is_shut = found is not None and found["state"] == "failed"
        if is_over:
            # Nothing of the run is left to enter; a replay opens the gate again.
            if found is not None:
                changes.append(GateChange(stage, False, {}, is_shut))
            if is_shut and found is not None and _has_entered(row, stage):
                changed[stage] = {**found, "state": "released"}
        elif is_shut and found is not None and _has_entered(row, stage):
            changed[stage] = {**found, "state": "released"}
            changes.append(GateChange(stage, True, {}, True))
        elif found is not None and not is_shut:
            if row["closed"] is not None:
                changes.append(GateChange(stage, True, {}, False))
        elif (upstream := _upstream_edges(row, gate)) is not None and edges_balance(upstream):
            worked = sum(edge["consumed"] - edge["dead"] for edge in upstream.values())
            if found is not None and found["worked"] == worked:
                continue
            failed = _failed(gate, judge())
            changed[stage] = {"state": "failed" if failed else "open", "at": at, "worked": worked}
            if failed:
                changed[stage]["failed"] = {key: failed[key].get("why", "") for key in failed}
            changes.append(GateChange(stage, not failed or None, failed, is_shut and not failed))
    if changed:
        row["gates"] = {**known, **changed}
    return changes


def needs_verdicts(row: RunRow, gates: Mapping[str, Gate]) -> bool:
    """Return True if `update_gates` would ask for the verdicts over a run."""
    asked = False

    def judge() -> CheckVerdicts:
        nonlocal asked
        asked = True
        return {}

    update_gates({**row}, gates, judge, 0)
    return asked


def _failed(gate: Gate, verdicts: CheckVerdicts) -> CheckVerdicts:
    return {
        key: verdict
        for key, verdict in verdicts.items()
        if key in gate.checks and verdict["verdict"] == "failed"
    }


def _upstream_edges(row: RunRow, gate: Gate) -> dict[str, RunEdge] | None:
    """Return the edges into the stages upstream of a gate, those of other versions too; None if the
    run has events of another root: it can never be told to be complete."""
    edges = {}
    for name, edge in row["edges"].items():
        if edge_version(row, name) is None:
            return None
        if edge_stage(name) in gate.upstream:
            edges[name] = edge
    return edges


def _has_entered(row: RunRow, stage: str) -> bool:
    """Return True if the stage has worked an event of the run: one that was not cancelled."""
    return any(
        edge["consumed"] > edge["cancelled"]
        for name, edge in row["edges"].items()
        if edge_stage(name) == stage
    )
