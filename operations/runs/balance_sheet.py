"""What does the balance sheet of a run say, and what is wrong with it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farandole.cli.rendering.tables import format_columns
from farandole.events.run_row import RunEdge, RunRow, edge_name, in_flight
from farandole.events.time_format import format_elapsed, format_timestamp_ms
from farandole.events.topology_version import Version
from farandole.router.topology_graph import draw_lines as drawn

_OUTCOME_KINDS = ("dropped", "filtered", "dead", "cancelled", "parked")
"""Shown where there are any."""
_STALLED_AFTER_MS = (
    5_000  # ms without a settled event, after which a stage is said to be slow or at rest
)


def handled_count(edge: RunEdge) -> int:
    """What was consumed and is none of the other kinds."""
    others = sum(edge[kind] for kind in _OUTCOME_KINDS)  # type: ignore[literal-required]
    return edge["consumed"] - int(others)


def balance_data(row: RunRow, now: int) -> dict[str, Any]:
    """The row, with what is worked out of it. `now` in ms of the epoch, as everywhere here."""
    edges = {
        name: {
            **edge,
            "handled": handled_count(edge),
            "in_flight": in_flight(edge),
            "seconds_each": _seconds_per_event(edge),
            "rate": _events_per_second(edge),
        }
        for name, edge in row["edges"].items()
    }
    return {**row, "edges": edges, "wrong": [*imbalances(row, now)]}


def balance_lines(row: RunRow, version: Version | None, now: int) -> Iterator[str]:
    """The lines of it; `version` is the run's, for the order of the graph."""
    yield f"{row['run']}  {row['pipeline']}@{row['version']}  {row['status']}"
    yield opening_line(row, now)
    yield ""
    cells, places = ["", "emitted", "consumed", "handled"], _graph_rows(row, version)
    kinds = [k for k in _OUTCOME_KINDS if any(e[k] for e in row["edges"].values())]  # type: ignore[literal-required]
    cells += [*kinds, "in flight", "oldest", "each", "per s"]
    table = [cells]
    for label, event_type, stage in places:
        edge = row["edges"].get(edge_name(event_type, stage)) if stage is not None else None
        if edge is not None:
            table.append([label, *_edge_cells(edge, kinds)])
        else:
            count = row["leaves"].get(event_type) if stage is None else None
            said = "" if count is None else f"{count:,}"
            table.append([label, said, *[""] * (len(cells) - 2)])
    yield from format_columns(table)
    faults = [*imbalances(row, now)]
    if faults:
        yield ""
        yield from faults


def opening_line(row: RunRow, now: int) -> str:
    """When, from where, and how long it took."""
    if not row["opened"]:
        return "nobody knows what opened it"
    root = row["root"]
    took = format_elapsed(((row["closed"] or now) - row["opened"]) / 1000)
    by = f" by {root['topic']}/{root['partition']}/{root['offset']}" if root else ""
    again = f", again what {root['again']} was" if root and root.get("again") else ""
    ended = f"took {took}" if row["closed"] else f"{took} ago"
    return f"opened {format_timestamp_ms(row['opened'])} UTC{by}{again}, {ended}"


def progress_summary(row: RunRow, now: int) -> str:
    """In one line, while it goes on."""
    settled = sum(edge["consumed"] for edge in row["edges"].values())
    flying = sum(map(in_flight, row["edges"].values()))
    dead = sum(edge["dead"] for edge in row["edges"].values())
    time = format_elapsed(((row["closed"] or now) - row["opened"]) / 1000) if row["opened"] else ""
    return f"{row['status']}, {time}: {settled:,} settled, {flying:,} in flight, {dead:,} dead"


def imbalances(row: RunRow, now: int) -> Iterator[str]:
    """What does not balance, and what else a person should know, a sentence each."""
    if row["status"] == "unopened":
        yield (
            "its events are here, and no root that opened it is in the books: "
            f"farandole audit {row['run']}"
        )
    if row["late"]:
        within = row["root"].get("within") if row["root"] else None
        expected = (
            f"within {format_elapsed(within)}" if isinstance(within, int | float) else "in time"
        )
        yield f"it was expected to complete {expected}, and did not"
    for name, edge in row["edges"].items():
        event_type, _, stage = name.rpartition(">")
        yield from _edge_imbalances(row, edge, event_type, stage, now)
    if row["amended"]:
        times = "once" if row["amended"] == 1 else f"{row['amended']:,} times"
        yield f"amended {times}: what came after its end was settled"


def _edge_imbalances(
    row: RunRow, edge: RunEdge, event_type: str, stage: str, now: int
) -> Iterator[str]:
    flying, audit = in_flight(edge), f"farandole audit {row['run']}"
    if flying < 0:
        yield (
            f"{stage} has settled {-flying:,} more {event_type} than were emitted: {audit} "
            "names them"
        )
    elif flying == 0 and edge["differs"]:
        yield (
            f"{stage} has settled as many {event_type} as were emitted, and not the same ones: "
            f"{audit} names them"
        )
    waiting = flying - edge["parked"]
    since = f" for {format_elapsed((now - edge['last']) / 1000)}" if edge["last"] else ""
    if flying > 0 and waiting > 0:
        if row["closed"] is not None:
            yield f"{stage} has not settled {waiting:,} {event_type}, and the run is over: {audit}"
        elif not edge["last"]:
            yield f"{stage} has settled none of {waiting:,} {event_type} yet"
        elif now - edge["last"] >= _STALLED_AFTER_MS:
            yield f"{stage}: {waiting:,} {event_type} in flight, and none was settled{since}"
    if edge["parked"] > 0:
        yield f"{stage}: {edge['parked']:,} {event_type} are parked, to be tried again"
    if edge["dead"]:
        yield (
            f"{stage}: {edge['dead']:,} {event_type} died: "
            f"farandole dead --stage {stage} --run {row['run']} says why"
        )


def _graph_rows(row: RunRow, version: Version | None) -> list[tuple[str, str, str | None]]:
    """A label, an event type, and a stage where an edge is meant: in the order of the graph, then
    what the graph does not know."""
    places: list[tuple[str, str, str | None]] = []
    if version is not None:
        root = row["root"]
        known = root is not None and root["type"] in version.events
        roots = [root["type"]] if root is not None and known else version.roots()
        lines = drawn(version, roots)
        places = [(line.text, line.event_type, line.stage) for line in lines]
    seen = {edge_name(event_type, stage) for _, event_type, stage in places if stage is not None}
    places += [(f"{name}", *name.rpartition(">")[::2]) for name in row["edges"] if name not in seen]
    types = {event_type for _, event_type, stage in places if stage is None}
    places += [(name, name, None) for name in row["leaves"] if name not in types]
    return places


def _edge_cells(edge: RunEdge, kinds: list[str]) -> list[str]:
    counts = [edge["emitted"], edge["consumed"], handled_count(edge)]
    counts += [edge[kind] for kind in kinds]  # type: ignore[literal-required]
    counts.append(in_flight(edge))
    each, rate = _seconds_per_event(edge), _events_per_second(edge)
    return [
        *(f"{count:,}" for count in counts),
        format_elapsed(edge["age"]) if edge["consumed"] else "",
        "" if each is None else _format_short_elapsed(each),
        "" if rate is None else f"{rate:,.0f}",
    ]


def _seconds_per_event(edge: RunEdge) -> float | None:
    """Seconds of handling an event."""
    return edge["seconds"] / edge["consumed"] if edge["consumed"] > 0 else None


def _events_per_second(edge: RunEdge) -> float | None:
    """Events settled a second, from the first to the last; None: all at once."""
    took = edge["last"] - edge["first"]
    return edge["consumed"] * 1000 / took if took > 0 else None


def _format_short_elapsed(seconds: float) -> str:
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.09995 else format_elapsed(seconds)
