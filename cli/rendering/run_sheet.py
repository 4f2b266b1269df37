"""How is the balance sheet of a run shown on a terminal?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from farandole.cli.rendering.flag_text import run_flag_lines
from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.next_step import CommandLine, plain_command_line
from farandole.events.number_format import format_rate, grouped
from farandole.events.outcome import RECORDED, Outcome
from farandole.events.run_row import edge_name, split_edge_name
from farandole.events.safe_text import escape_harmful
from farandole.events.schedule_origin import origin_text
from farandole.events.time_format import format_elapsed, format_short_elapsed, format_timestamp_ms
from farandole.operations.reason_text import reason_text
from farandole.operations.runs.balance_sheet import RunEdgeResult, RunResult
from farandole.router.topology_graph import draw_lines


def sheet_lines(sheet: RunResult, command_line: CommandLine = plain_command_line) -> Iterator[str]:
    """Yield the lines of the sheet, without characters that a terminal would act on."""
    for line in _sheet_lines(sheet, command_line):
        yield _safe_line(line)


def progress_line(sheet: RunResult) -> str:
    """Return one line about a running run."""
    time = "" if sheet.seconds is None else format_elapsed(sheet.seconds)
    return _safe_line(
        f"{sheet.status}, {time}: {grouped(sheet.settled)} settled, "
        f"{grouped(sheet.in_flight)} in flight, {grouped(sheet.dead)} dead"
    )


def _safe_line(line: str) -> str:
    return escape_harmful(line.replace("\n", " "))


def _sheet_lines(sheet: RunResult, command_line: CommandLine) -> Iterator[str]:
    yield f"{sheet.run}  {sheet.pipeline}@{sheet.version}  {sheet.status}"
    yield _opening_line(sheet)
    if sheet.controls:
        yield f"worked under {', '.join(sheet.controls)}"
    yield ""
    edges = sheet.edges.values()
    outcomes = [o for o in RECORDED if any(edge.count(o) for edge in edges)]
    head = ["", "emitted", "consumed", Outcome.HANDLED.value]
    head += [*(outcome.value for outcome in outcomes), "in flight", "oldest", "each", "per s"]
    table = [head]
    for label, event_type, stage in _graph_rows(sheet):
        edge = sheet.edges.get(edge_name(event_type, stage)) if stage is not None else None
        if edge is not None:
            table.append([label, *_edge_cells(edge, outcomes)])
        else:
            count = sheet.leaves.get(event_type) if stage is None else None
            table.append([label, "" if count is None else grouped(count), *[""] * (len(head) - 2)])
    yield from format_columns(table)
    if sheet.flags:
        yield ""
        yield from run_flag_lines(sheet.flags)
    if sheet.checks:
        yield ""
        yield _checks_line(sheet)
    if sheet.problems:
        yield ""
        yield from (reason_text(problem, command_line) for problem in sheet.problems)


def _checks_line(sheet: RunResult) -> str:
    """Return how many checks of the data have which verdict."""
    counts = Counter(str(each.get("verdict")) for each in sheet.checks.values())
    order = ("failed", "warned", "passed", "not judged", "skipped")
    parts = [f"{counts[verdict]} {verdict}" for verdict in order if counts[verdict]]
    line = f"checks: {', '.join(parts)} (farandole checks {sheet.run})"
    return Alarm(line) if counts["failed"] else line


def _opening_line(sheet: RunResult) -> str:
    """Return when and by which record the run was opened, and how long it took."""
    if sheet.seconds is None:
        return "nobody knows what opened it"
    root = sheet.root
    took = format_elapsed(sheet.seconds)
    by = f" by {root['topic']}/{root['partition']}/{root['offset']}" if root else ""
    again = f", again what {root['again']} was" if root and root.get("again") else ""
    origin = origin_text(root) if root else ""
    schedule = f", by the schedule {origin}" if origin else ""
    ended = f"took {took}" if sheet.closed else f"{took} ago"
    return f"opened {format_timestamp_ms(sheet.opened)} UTC{by}{again}{schedule}, {ended}"


def _graph_rows(sheet: RunResult) -> list[tuple[str, str, str | None]]:
    """Return a label, an event type and, for an edge, a stage: first those in the order of the
    graph, then edges and leaves that are not in the graph."""
    rows: list[tuple[str, str, str | None]] = []
    topology = sheet.topology
    if topology is not None:
        known = sheet.root is not None and sheet.root["type"] in topology.events
        roots = [sheet.root["type"]] if sheet.root is not None and known else topology.roots()
        rows = [(line.text, line.event_type, line.stage) for line in draw_lines(topology, roots)]
    shown = {edge_name(event_type, stage) for _, event_type, stage in rows if stage is not None}
    rows += [(name, *split_edge_name(name)) for name in sheet.edges if name not in shown]
    types = {event_type for _, event_type, stage in rows if stage is None}
    rows += [(name, name, None) for name in sheet.leaves if name not in types]
    return rows


def _edge_cells(edge: RunEdgeResult, outcomes: Sequence[Outcome]) -> list[str]:
    counts = [edge.emitted, edge.consumed, edge.handled]
    counts += [edge.count(outcome) for outcome in outcomes]
    counts.append(edge.in_flight)
    return [
        *(grouped(count) for count in counts),
        format_elapsed(edge.age) if edge.consumed else "",
        "" if edge.seconds_each is None else format_short_elapsed(edge.seconds_each),
        "" if edge.rate is None else format_rate(edge.rate),
    ]
