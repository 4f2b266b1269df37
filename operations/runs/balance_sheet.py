"""What is the balance sheet of a run, and what is wrong with it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import ConfigDict, Field

from farandole.catalog.gates import Gate, gates_of
from farandole.events.control_generations import are_generations
from farandole.events.outcome import Outcome, OutcomeCounts, handled_count
from farandole.events.run_row import RunEdge, RunRow, in_flight, split_edge_name
from farandole.events.topology_version import Version
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.operations.results import Result
from farandole.operations.runs.gate_wait import gate_wait

_STALLED_AFTER_MS = 5_000  # ms without a settled event, after which a stage is called stalled


class RunEdgeResult(Result):
    """One edge of a run: an event type and a stage. It has the fields of the run row, with what
    follows from them. The count of each outcome in `events/outcome.py` is a field of the same
    name."""

    model_config = ConfigDict(extra="allow")

    emitted: int
    consumed: int
    differs: int
    """The hash of what was emitted minus that of what was consumed; 0 if they are the same."""
    age: int | float
    """Seconds: the age of the oldest event when it was settled."""
    seconds: int | float
    """Seconds of handling, over all events."""
    first: int
    """The times when the first and the last event were settled, in ms of the epoch; 0 if none
    was."""
    last: int
    handled: int
    in_flight: int
    """Events that are emitted and not settled; negative if more were settled than emitted."""
    seconds_each: float | None
    """Seconds of handling per event; None if nothing was measured: no event was consumed, or
    their process died."""
    rate: float | None
    """Events settled a second, from the first to the last; None if all were settled at once."""

    def count(self, outcome: Outcome) -> int:
        """Return how many events had an outcome."""
        return self.handled if outcome is Outcome.HANDLED else int(getattr(self, outcome.value))


class RunResult(Result):
    """The balance sheet of a run: the fields of the run row, with what follows from them."""

    model_config = ConfigDict(extra="allow")

    run: str
    pipeline: str
    version: int
    status: str
    root: dict[str, Any] | None
    """The record that opened the run; None if the books do not have it."""
    opened: int
    """Milliseconds of the epoch, as are `last` and `closed`; 0 if unknown."""
    last: int
    closed: int | None
    """None while the run is open."""
    amended: int
    late: bool
    edges: dict[str, RunEdgeResult]
    """By edge name: `event type>stage`."""
    leaves: dict[str, int]
    """Emitted events without a subscriber, by type."""
    flags: dict[str, dict[str, dict[str, int]]] = Field(default_factory=dict)
    """By stage and flag, how often functions have read each value, as JSON."""
    controls: Sequence[str] = ()
    """The newest of the control documents under which the run was worked, each with its
    generation: `switch/price=canary@1234`."""
    checks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By `event type/check`, what the checks of its data have found."""
    gates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By gated stage, what was decided once all upstream of it was worked."""
    wrong: list[str]
    """The problems as sentences."""
    problems: list[Reason]
    as_of: int
    """The time to which ages, rates and problems refer, in milliseconds of the epoch."""
    bookkeeper: Reason | None = None
    """Why the figures may be out of date; None if they are current, or the run is closed."""
    topology: Version | None = Field(default=None, exclude=True, repr=False)
    """The version that wires the run, for the order of the graph; None if it is not published any
    more. No part of the JSON."""

    @property
    def seconds(self) -> float | None:
        """Seconds from the opening of the run until it was closed, or until now; None if the
        opening time is not known."""
        return ((self.closed or self.as_of) - self.opened) / 1000 if self.opened else None

    @property
    def settled(self) -> int:
        """Events that stages have settled."""
        return sum(edge.consumed for edge in self.edges.values())

    @property
    def in_flight(self) -> int:
        """Events that are emitted and not settled."""
        return sum(edge.in_flight for edge in self.edges.values())

    @property
    def dead(self) -> int:
        """Events that died and have not been replayed."""
        return sum(edge.count(Outcome.DEAD) for edge in self.edges.values())


def balance_sheet(
    row: RunRow, now: int, topology: Version | None = None, bookkeeper: Reason | None = None
) -> RunResult:
    """Return the sheet of a run row; `now` in ms of the epoch, as everywhere here."""
    edges = {name: _edge_result(edge) for name, edge in row["edges"].items()}
    problems = [*find_problems(row, now, {} if topology is None else gates_of(topology))]
    controls = row.get("controls", [])
    fields: dict[str, Any] = {
        **row,
        "edges": edges,
        "controls": controls if are_generations(controls) else [],
    }
    return RunResult(
        **fields,
        wrong=[reason_text(problem) for problem in problems],
        problems=problems,
        as_of=now,
        topology=topology,
        bookkeeper=bookkeeper,
    )


def _edge_result(edge: RunEdge) -> RunEdgeResult:
    consumed, took = edge["consumed"], edge["last"] - edge["first"]
    fields: dict[str, Any] = {**edge}
    return RunEdgeResult(
        **fields,
        handled=handled_count(consumed, OutcomeCounts.from_fields(fields)),
        in_flight=in_flight(edge),
        seconds_each=edge["seconds"] / consumed if consumed > 0 and edge["seconds"] else None,
        rate=consumed * 1000 / took if took > 0 else None,
    )


def find_problems(
    row: RunRow, now: int, gates: Mapping[str, Gate] = MappingProxyType({})
) -> Iterator[Reason]:
    """Yield each problem of the run, and other facts that a person should know. `gates`: those of
    its version, by stage."""
    if row["status"] == "unopened":
        yield Reason("run_unopened", {"run": row["run"]})
    if row["late"]:
        within = row["root"].get("within") if row["root"] else None
        known = isinstance(within, int | float)
        yield Reason("run_late", {"within": within if known else None})
    for name, edge in row["edges"].items():
        event_type, stage = split_edge_name(name)
        subject = {"run": row["run"], "stage": stage, "event_type": event_type}
        waits = gate_wait(row, gates[stage]) if stage in gates else None
        if waits is not None and in_flight(edge) > 0:
            yield Reason(waits.code, {**subject, **waits.fields, "events": in_flight(edge)})
            continue
        yield from _edge_problems(edge, subject, closed=row["closed"] is not None, now=now)
    if row["amended"]:
        yield Reason("run_amended", {"times": row["amended"]})


def _edge_problems(
    edge: RunEdge, subject: dict[str, Any], *, closed: bool, now: int
) -> Iterator[Reason]:
    flying = in_flight(edge)
    if flying < 0:
        yield Reason("edge_oversettled", {**subject, "events": -flying})
    elif flying == 0 and edge["differs"]:
        yield Reason("edge_differs", subject)
    waiting = flying - edge["parked"]
    if flying > 0 and waiting > 0:
        if closed:
            yield Reason("edge_unsettled", {**subject, "events": waiting})
        elif not edge["last"]:
            yield Reason("edge_not_begun", {**subject, "events": waiting})
        elif now - edge["last"] >= _STALLED_AFTER_MS:
            seconds = (now - edge["last"]) / 1000
            yield Reason("edge_stalled", {**subject, "events": waiting, "seconds": seconds})
    if edge["parked"] > 0:
        yield Reason("edge_parked", {**subject, "events": edge["parked"]})
    if edge["dead"]:
        yield Reason("edge_dead", {**subject, "events": edge["dead"]})
    if not edge.get("proven", True):
        yield Reason("edge_unproven", {**subject, "events": edge["consumed"]})
