"""What is known of a run once one more part of it is read, and does that complete it?

Why the first prefix of a run's entries in which every edge balances proves that the run is over:

1. A lane writes its entry in the transaction that emits the events it speaks of, so that nobody
   reads one of them before the entry stands in the log.
2. So the entry of whoever consumes an event stands behind the entry of whoever emitted it; all
   entries of a run stand in one partition, whose order is the order of their appearance.
3. Say that an event is still unsettled. Go up its causes to the first one whose consumption is not
   in the prefix. It was emitted by a part in the prefix, or it is the root: then every part that
   knows the root says that it is owed. Either way its edge has more emitted than consumed.

What does not belong to the run as it was opened (another version, another root) is counted on edges
of its own, with an `@` in the name: a run that has one is never complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from farandole.events.ledger_entry import (
    HASH_MASK,
    ConsumedCounts,
    LedgerEntry,
    RunPart,
    RunRoot,
    hash_event_ids,
)
from farandole.events.run_row import RunEdge, RunRow, edge_name, edges_balance

RunTransition = Literal["opened", "progressed", "completed", "amended"]

FOREIGN_EDGE_MARK = "@"
"""In the name of an edge that is not of the run as it was opened."""


def count_settled_events(entry: LedgerEntry) -> int:
    """Events that were settled in a transaction, of all runs."""
    return sum(consumed["n"] for part in entry["runs"] for consumed in part["in"].values())


def fold_part(
    row: RunRow | None, part: RunPart, entry: LedgerEntry, events: int
) -> tuple[RunRow, RunTransition]:
    """The run's row after a part of a sound entry, of which `events` are all that it settled.

    `row` itself is not changed.
    """
    at = entry["at"]
    new = _new_row(part, entry) if row is None else _copy_row(row)
    wiring = ""
    if (entry["pipeline"], part["version"]) != (new["pipeline"], new["version"]):
        wiring = f"{FOREIGN_EDGE_MARK}{entry['pipeline']}@{part['version']}"
    edges = new["edges"]
    if "root" in part:
        _add_root_debt(new, part["root"], part["in"])
    for event_type, emitted in part["out"].items():
        if not emitted["to"]:
            leaf = event_type + wiring
            new["leaves"][leaf] = new["leaves"].get(leaf, 0) + emitted["n"]
        for stage in emitted["to"]:
            edge = _edge_for_update(edges, edge_name(event_type, stage) + wiring)
            edge["emitted"] += emitted["n"]
            edge["differs"] = (edge["differs"] + emitted["hash"]) & HASH_MASK
    for event_type, consumed in part["in"].items():
        edge = _edge_for_update(edges, edge_name(event_type, entry["stage"]) + wiring)
        _add_consumed(edge, consumed, at, entry["seconds"] * consumed["n"] / (events or 1))
    new["last"] = max(new["last"], at)
    return new, _update_status(new, at, first=row is None)


def _update_status(row: RunRow, at: int, *, first: bool) -> RunTransition:
    """Say in the row whether it is complete, and what that makes of the part."""
    over = is_run_complete(row)
    if row["closed"] is not None:
        if not over:
            return "progressed"  # out of balance for a while: to be seen in its edges
        row["amended"] += 1
        row["status"] = _final_status(row)
        return "amended"
    if over:
        row["closed"] = at
        row["status"] = _final_status(row)
        row["late"] = row["late"] or is_overdue(row, at)
        return "completed"
    row["status"] = _open_status(row)
    return "opened" if first else "progressed"


def is_run_complete(row: RunRow) -> bool:
    """Is the root known, and every edge settled, with the same events on both sides?"""
    edges = row["edges"]
    return (
        row["root"] is not None
        and edges_balance(edges)
        and not any(FOREIGN_EDGE_MARK in e for e in edges)
    )


def completion_deadline(row: RunRow) -> int | None:
    """By when the run is expected to be complete, in milliseconds of the epoch."""
    root = row["root"]
    if root is None or "within" not in root:
        return None
    return row["opened"] + round(root["within"] * 1000)


def is_overdue(row: RunRow, at: int) -> bool:
    expected = completion_deadline(row)
    return expected is not None and at > expected


def _open_status(row: RunRow) -> str:
    if row["root"] is None:
        return "unopened"
    cancelling = any(edge["cancelled"] > 0 for edge in row["edges"].values())
    return "cancelling" if cancelling else "running"


def _final_status(row: RunRow) -> str:
    """Of a row that is complete, as it is now: what is replayed later may mend it."""
    edges, root = row["edges"], row["root"]
    assert root is not None
    if any(edge["cancelled"] > 0 for edge in edges.values()):
        return "cancelled"
    dead = sum(edge["dead"] for edge in edges.values())
    if dead <= 0:
        return "completed"
    of_root = edge_name(root["type"], "")
    root_died = any(e["dead"] > 0 for name, e in edges.items() if name.startswith(of_root))
    if root_died or dead > root.get("fail_above", 1.0) * _count_distinct_events(row, root):
        return "failed"
    return "completed with dead letters"


def _count_distinct_events(row: RunRow, root: RunRoot) -> int:
    """Events of the run, each once, however many subscribe to it; the root included."""
    by_type: dict[str, int] = dict(row["leaves"])
    for name, edge in row["edges"].items():
        event_type = name.partition(">")[0]
        by_type[event_type] = max(by_type.get(event_type, 0), edge["emitted"])
    return sum(by_type.values()) + (0 if root["type"] in by_type else 1)


def _new_row(part: RunPart, entry: LedgerEntry) -> RunRow:
    return {
        "run": part["run"],
        "pipeline": entry["pipeline"],
        "version": part["version"],
        "status": "unopened",
        "root": None,
        "opened": entry["at"],
        "last": entry["at"],
        "closed": None,
        "amended": 0,
        "late": False,
        "edges": {},
        "leaves": {},
    }


def _copy_row(row: RunRow) -> RunRow:
    return {**row, "edges": dict(row["edges"]), "leaves": dict(row["leaves"])}


def _add_root_debt(row: RunRow, root: RunRoot, settled: Mapping[str, ConsumedCounts]) -> None:
    """Each subscriber owes the root, however many of them say so: a fact of a set, not a sum."""
    known, elsewhere = row["root"], ""
    if known is None:
        if root["type"] not in settled or not settled[root["type"]]["n"]:
            # Whoever opens a run settles its root. This takes up a root that was settled before:
            # the run has its row no more.
            return
        known = {**root, "to": []}
        row["opened"] = root["at"]
    elif _root_position(known) != _root_position(root):
        elsewhere = FOREIGN_EDGE_MARK + "/".join(map(str, _root_position(root)))
    owing = [s for s in root["to"] if elsewhere or s not in known["to"]]
    if not elsewhere:
        row["root"] = {**known, "to": [*known["to"], *owing]}
    for edge in _edges_to_stages(row["edges"], root["type"], owing, elsewhere):
        edge["emitted"] += 1
        edge["differs"] = (edge["differs"] + hash_event_ids([row["run"].encode()])) & HASH_MASK


def _root_position(root: RunRoot) -> tuple[str, str, int, int]:
    return root["type"], root["topic"], root["partition"], root["offset"]


def _edges_to_stages(
    edges: dict[str, RunEdge], event_type: str, stages: list[str], suffix: str
) -> Iterator[RunEdge]:
    for stage in stages:
        yield _edge_for_update(edges, edge_name(event_type, stage) + suffix)


def _edge_for_update(edges: dict[str, RunEdge], name: str) -> RunEdge:
    """The edge, to be changed: rows share none."""
    found = edges.get(name)
    edge: RunEdge = {**found} if found else _new_edge()
    edges[name] = edge
    return edge


def _new_edge() -> RunEdge:
    return {
        "emitted": 0,
        "consumed": 0,
        "differs": 0,
        "dropped": 0,
        "filtered": 0,
        "dead": 0,
        "cancelled": 0,
        "parked": 0,
        "age": 0.0,
        "seconds": 0.0,
        "first": 0,
        "last": 0,
    }


def _add_consumed(edge: RunEdge, consumed: ConsumedCounts, at: int, seconds: float) -> None:
    edge["consumed"] += consumed["n"]
    edge["differs"] = (edge["differs"] - consumed["hash"]) & HASH_MASK
    edge["dropped"] += consumed.get("dropped", 0)
    edge["filtered"] += consumed.get("filtered", 0)
    edge["dead"] += consumed.get("dead", 0)
    edge["cancelled"] += consumed.get("cancelled", 0)
    edge["parked"] += consumed.get("parked", 0)
    if "lines" in consumed:
        edge["lines"] = edge.get("lines", 0) + consumed["lines"]
    edge["age"] = max(edge["age"], (at - consumed["oldest"]) / 1000)
    edge["seconds"] += seconds
    edge["first"] = edge["first"] or at
    edge["last"] = max(edge["last"], at)
