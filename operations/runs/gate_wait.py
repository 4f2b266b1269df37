"""Why does a run not enter a gated stage?"""

from __future__ import annotations

from farandole.catalog.gates import Gate
from farandole.events.run_row import RunRow, edge_stage, in_flight
from farandole.operations.reasons import Reason


def gate_wait(row: RunRow, gate: Gate) -> Reason | None:
    """Return why nothing of a run enters: `gate_failed`, `gate_waits` for what is upstream; None if
    it may enter, or the run is over."""
    found = row.get("gates", {}).get(gate.stage)
    if row["closed"] is not None or (found is not None and found["state"] != "failed"):
        return None
    if found is not None:
        return Reason("gate_failed", {"stage": gate.stage, "checks": found.get("failed", {})})
    waiting: dict[str, int] = {}
    for name, edge in row["edges"].items():
        stage = edge_stage(name)
        if stage in gate.upstream and in_flight(edge) > 0:
            waiting[stage] = waiting.get(stage, 0) + in_flight(edge)
    return Reason("gate_waits", {"stage": gate.stage, "upstream": waiting})
