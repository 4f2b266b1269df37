"""What does a run's row contain once one more part of a ledger entry is folded into it?

Events that do not belong to the run as it was opened (they have another version, or another root)
are counted on separate edges, with an `@` in the name. A run with an edge of another root is never
complete; those of another version, which a replay can add, must balance like all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from farandole.events.control_generations import are_generations, united_generations
from farandole.events.flag_counts import with_stage_counts
from farandole.events.ledger_entry import (
    HASH_MASK,
    ConsumedCounts,
    LedgerEntry,
    RunPart,
    RunRoot,
    hash_event_ids,
)
from farandole.events.outcome import RECORDED
from farandole.events.record_time import past_time_ms
from farandole.events.run_row import (
    FOREIGN_EDGE_MARK,
    UNPROVEN_ROW_FORMAT,
    RunEdge,
    RunRow,
    edge_name,
    new_edge,
    new_run_row,
)
from farandole.ledger.run_completion import RunTransition, update_status

_OUTCOMES = tuple(outcome.value for outcome in RECORDED)


def count_settled_events(entry: LedgerEntry) -> int:
    """Return how many events the transaction of an entry settled, in all runs."""
    return sum(consumed["n"] for part in entry["runs"] for consumed in part["in"].values())


def fold_part(
    row: RunRow | None, part: RunPart, entry: LedgerEntry, events: int
) -> tuple[RunRow, RunTransition]:
    """Return a run's row after a part of a valid entry, and what has happened to the run.

    `row` is None for a run that has no row yet; it is not changed. `events` is how many events the
    whole entry settled: its time is shared out among them."""
    at = entry["at"]
    if row is None:
        new = new_run_row(part["run"], entry["pipeline"], part["version"], at)
    else:
        new = _copy_row(row)
    suffix = ""
    if (entry["pipeline"], part["version"]) != (new["pipeline"], new["version"]):
        suffix = f"{FOREIGN_EDGE_MARK}{entry['pipeline']}@{part['version']}"
    edges = new["edges"]
    if "root" in part:
        _add_root_debt(new, part["root"], part["in"], at)
    for event_type, emitted in part["out"].items():
        if not emitted["to"]:
            leaf = event_type + suffix
            new["leaves"][leaf] = new["leaves"].get(leaf, 0) + emitted["n"]
        for stage in emitted["to"]:
            edge = _edge_for_update(edges, edge_name(event_type, stage) + suffix)
            edge["emitted"] += emitted["n"]
            edge["differs"] = (edge["differs"] + emitted["hash"]) & HASH_MASK
    for event_type, consumed in part["in"].items():
        edge = _edge_for_update(edges, edge_name(event_type, entry["stage"]) + suffix)
        _add_consumed(edge, consumed, at, entry["seconds"] * consumed["n"] / (events or 1))
        if not entry.get("proven", True):
            edge["proven"] = False
            new["format"] = UNPROVEN_ROW_FORMAT
    if "flags" in part:
        new["flags"] = with_stage_counts(new.get("flags", {}), entry["stage"], part["flags"])
    if "controls" in entry:
        known = new.get("controls", [])
        new["controls"] = united_generations(
            known if are_generations(known) else [], entry["controls"]
        )
    new["last"] = max(new["last"], at)
    return new, update_status(new, at, first=row is None)


def _copy_row(row: RunRow) -> RunRow:
    """Return a copy whose edges and leaves can be replaced."""
    return {**row, "edges": dict(row["edges"]), "leaves": dict(row["leaves"])}


def _add_root_debt(
    row: RunRow, root: RunRoot, settled: Mapping[str, ConsumedCounts], at: int
) -> None:
    """Count the root as emitted once to each stage that subscribes to it.

    Every subscriber's entry names all of them, so this is a union of sets, not a sum."""
    known, suffix = row["root"], ""
    if known is None:
        if root["type"] not in settled or not settled[root["type"]]["n"]:
            # An entry that opens a run settles its root. This entry replays a root that was settled
            # before, and the row of the run has been deleted since.
            return
        # Entries of older releases may have any time here.
        known = {**root, "at": past_time_ms(root["at"], at), "to": []}
        row["opened"] = known["at"]
    elif _root_position(known) != _root_position(root):
        suffix = FOREIGN_EDGE_MARK + "/".join(map(str, _root_position(root)))
    new_stages = [s for s in root["to"] if suffix or s not in known["to"]]
    if not suffix:
        row["root"] = {**known, "to": [*known["to"], *new_stages]}
    for edge in _edges_to_stages(row["edges"], root["type"], new_stages, suffix):
        edge["emitted"] += 1
        edge["differs"] = (edge["differs"] + hash_event_ids([row["run"].encode()])) & HASH_MASK


def _root_position(root: RunRoot) -> tuple[str, str, int, int]:
    """Return what identifies a root."""
    return root["type"], root["topic"], root["partition"], root["offset"]


def _edges_to_stages(
    edges: dict[str, RunEdge], event_type: str, stages: list[str], suffix: str
) -> Iterator[RunEdge]:
    """Yield the edges from an event type to these stages, for update."""
    for stage in stages:
        yield _edge_for_update(edges, edge_name(event_type, stage) + suffix)


def _edge_for_update(edges: dict[str, RunEdge], name: str) -> RunEdge:
    """Return a copy of an edge, or a new one, in its place: an edge may be shared with the row
    before, which must not change."""
    found = edges.get(name)
    edge: RunEdge = {**found} if found else new_edge()
    edges[name] = edge
    return edge


def _add_consumed(edge: RunEdge, consumed: ConsumedCounts, at: int, seconds: float) -> None:
    edge["consumed"] += consumed["n"]
    edge["differs"] = (edge["differs"] - consumed["hash"]) & HASH_MASK
    counts, outcomes = cast(dict[str, int], edge), cast(Mapping[str, int], consumed)
    for name in _OUTCOMES:
        if name in outcomes:
            counts[name] = counts.get(name, 0) + outcomes[name]  # older rows lack newer outcomes
    if "lines" in consumed:
        edge["lines"] = edge.get("lines", 0) + consumed["lines"]
    edge["age"] = max(edge["age"], (at - past_time_ms(consumed["oldest"], at)) / 1000)
    edge["seconds"] += seconds
    edge["first"] = edge["first"] or at
    edge["last"] = max(edge["last"], at)
