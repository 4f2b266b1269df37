"""Is a run complete, with which status, and when should it be?

The first prefix of a run's entries in which every edge balances proves that the run is complete:

1. A lane writes its entry in the transaction that emits the events that the entry counts. So
   nobody reads one of them before the entry is in the log.
2. So the entry that counts an event as consumed is behind the entry that counts it as emitted: all
   entries of a run are in one partition, in the order in which they were written.
3. Suppose that an event is still unsettled. Among it and its causes, take the first whose
   consumption is not in the prefix. Either a part in the prefix emitted it, or it is the root, and
   every part that knows the root counts it as emitted to all subscribers. Either way, its edge has
   more events emitted than consumed.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from farandole.events.run_row import (
    RunRow,
    count_distinct_events,
    edge_version,
    edges_balance,
    in_flight,
    split_edge_name,
)

RunTransition = Literal["opened", "progressed", "completed", "settled", "amended"]
"""What a part of an entry does to a run. `settled`: it is complete, and that is not proven."""

CLOSING: frozenset[RunTransition] = frozenset(("completed", "settled"))
"""The transitions of an open run to a closed one."""


def update_status(row: RunRow, at: int, *, first: bool) -> RunTransition:
    """Set the row's status, and return what has happened to the run. `first` is True for a new
    row."""
    is_complete = is_run_complete(row)
    if row["closed"] is not None:
        if not is_complete:
            return "progressed"  # a replay puts its edges out of balance for a while
        row["amended"] += 1
        row["status"] = _final_status(row)
        return "amended"
    if is_complete:
        row["closed"] = at
        row["status"] = _final_status(row)
        row["late"] = row["late"] or is_overdue(row, at)
        return "completed" if is_proven(row) else "settled"
    row["status"] = _open_status(row)
    return "opened" if first else "progressed"


def is_run_complete(row: RunRow) -> bool:
    """Return True if the root is known and every edge is settled, which means that the same events
    were emitted and consumed.

    Edges of another version count like the others: a replay by the newest version emits events of
    that version. Where versions are mixed by mistake, an event is emitted under one and consumed
    under the other, and neither edge balances."""
    edges = row["edges"]
    return (
        row["root"] is not None
        and edges_balance(edges)
        and all(edge_version(row, name) is not None for name in edges)
    )


def is_proven(row: RunRow) -> bool:
    """Return True if the balance of the edges proves that the run is complete. False if a program
    without transactions has settled events of it: that all of its outputs are there, it alone can
    know."""
    return all(edge.get("proven", True) for edge in row["edges"].values())


def completion_deadline(row: RunRow) -> int | None:
    """Return when the run should be complete, in milliseconds of the epoch; None if nothing is
    expected of it. It has its time anew after a throttle has used it up."""
    root = row["root"]
    if root is None or "within" not in root:
        return None
    return max(row["opened"], row.get("throttled", 0)) + round(root["within"] * 1000)


def waits_in(row: RunRow, stages: Set[tuple[str, str]]) -> bool:
    """Return True if an event of the run waits in one of these stages: pairs of a pipeline and a
    stage."""
    return any(
        in_flight(edge) and (row["pipeline"], split_edge_name(name)[1]) in stages
        for name, edge in row["edges"].items()
    )


def is_overdue(row: RunRow, at: int) -> bool:
    """Return True if `at` is after the run's deadline."""
    deadline = completion_deadline(row)
    return deadline is not None and at > deadline


def _open_status(row: RunRow) -> str:
    """Return the status of a run that is not complete."""
    if row["root"] is None:
        return "unopened"
    cancelling = any(edge["cancelled"] > 0 for edge in row["edges"].values())
    return "cancelling" if cancelling else "running"


def _final_status(row: RunRow) -> str:
    """Return the status of a run that is complete. A replay of its dead letters can change it."""
    edges, root = row["edges"], row["root"]
    assert root is not None
    if any(edge["cancelled"] > 0 for edge in edges.values()):
        return "cancelled"
    dead = sum(edge["dead"] for edge in edges.values())
    complete = "completed" if is_proven(row) else "settled"
    if dead <= 0:
        return complete
    root_died = any(
        e["dead"] > 0 for name, e in edges.items() if split_edge_name(name)[0] == root["type"]
    )
    if root_died or dead > root.get("fail_above", 1.0) * count_distinct_events(row):
        return "failed"
    return f"{complete} with dead letters"
