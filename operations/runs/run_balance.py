"""Where is every event of a run: on which edge, and with which outcome?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from farandole.events.ledger_entry import RunRoot
from farandole.events.outcome import Outcome
from farandole.events.run_row import (
    FOREIGN_EDGE_MARK,
    count_distinct_events,
    edge_name,
    split_edge_name,
)
from farandole.events.topology_version import Version
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.operations.results import Result
from farandole.operations.runs.balance_sheet import RunEdgeResult, RunResult

UNREAD = "unread"
"""Beside the outcomes: events that are emitted, and that no lane has consumed yet."""


class EdgeBalance(Result):
    """One event type on its way into one stage: emitted = the sum of `parts` + `difference`."""

    event_type: str
    stage: str
    foreign: str | None
    """What sets the edge apart if it does not belong to the run as it was opened: another version,
    or the position of another root."""
    emitted: int
    parts: dict[str, int]
    """By outcome, in the order of `Outcome`, and `unread`."""
    settled: int
    in_flight: int
    """Parked and unread."""
    difference: int
    """Events that nobody accounts for; negative if more were settled than emitted. A run that is
    open has none that are missing: they are unread."""
    same_events: bool
    """False if as many events were settled as emitted, and not the same ones."""
    proven: bool
    """False if a program without transactions has settled events here."""
    oldest: float
    """Seconds: the age of the oldest event when it was settled."""
    seconds_each: float | None
    rate: float | None
    """Settled a second, from the first to the last; None if all were settled at once."""
    first: int
    """Milliseconds of the epoch, as `last`; 0 if none was settled."""
    last: int


class StageBalance(Result):
    """What went through one stage of a run."""

    name: str
    emits: list[str]
    external: bool
    consumed: int
    """Events of all its edges."""
    went_on: int
    """Handled or bypassed."""
    emitted: dict[str, int]
    """By event type, readers counted once. Without the types that other stages emit too: the books
    do not say who emitted them."""
    ratio: float | None
    """Emitted events for each one that went on; None if the stage emits nothing, if nothing went
    on, or if it is not known."""
    first: int
    last: int


class LeafBalance(Result):
    """An event type that nobody reads."""

    event_type: str
    emitted: int


class RunProblem(Result):
    """Something about the run that a person should know."""

    code: str
    text: str
    stage: str | None


class RunBalance(Result):
    """The balance of a run, with what a page about it says."""

    run: str
    pipeline: str
    version: int
    status: str
    opened: int
    """Milliseconds of the epoch, as are `last`, `closed`, `throttled` and `as_of`; 0 if unknown."""
    last: int
    closed: int | None
    amended: int
    late: bool
    throttled: int | None
    """When the run got its time anew, because a throttle held back its events."""
    as_of: int
    root: dict[str, Any] | None
    expected_within: float | None
    """Seconds in which it is expected to complete."""
    expected_until: int | None
    fail_above: float | None
    """The share of its events that may die before it has failed."""
    again: str | None
    """The run that this one repeats."""
    schedule: str | None
    planned: str | None
    events: int
    """Its events, the root included, each once however many stages read it."""
    in_flight: int
    settled: int
    dead: int
    difference: int
    """The sum over all edges, without signs."""
    proven: bool
    edges: list[EdgeBalance]
    """In the order of the graph."""
    stages: list[StageBalance]
    """Likewise; without stages to which nothing has come."""
    leaves: list[LeafBalance]
    controls: list[str]
    """The newest of the control documents under which it was worked:
    `switch/price=canary@1234`."""
    flags: dict[str, dict[str, dict[str, int]]]
    """By stage and flag, how often each value was read, as JSON."""
    checks: dict[str, int]
    """How many checks of its data have passed, warned, failed, and so on."""
    shut: dict[str, dict[str, str]]
    """By gated stage that does not let it in, why each check has failed, by `event type/check`."""
    problems: list[RunProblem]
    books: RunProblem | None
    """Why the figures may be out of date; None if they are current, or the run is closed."""


def run_balance(sheet: RunResult) -> RunBalance:
    """Return the balance of a run whose sheet is known."""
    topology = sheet.topology
    names = _edges_in_order(sheet.edges, topology)
    edges = [_edge_balance(name, sheet.edges[name], is_open=sheet.closed is None) for name in names]
    own = [edge for edge in edges if edge.foreign is None]
    root: RunRoot | dict[str, Any] = sheet.root or {}
    within = _number(root.get("within"))
    data = sheet.model_extra or {}
    # A throttle gives the run its time anew, from then on.
    begin = data.get("throttled") or (root.get("at") if sheet.root else None)
    return RunBalance(
        **sheet.model_dump(
            include={"run", "pipeline", "version", "status", "opened", "last", "closed"}
            | {"amended", "late", "as_of", "root", "flags"}
        ),
        throttled=data.get("throttled"),
        expected_within=within,
        expected_until=None if within is None or begin is None else int(begin + within * 1000),
        fail_above=_number(root.get("fail_above")),
        again=root.get("again"),
        schedule=root.get("schedule"),
        planned=root.get("planned"),
        events=count_distinct_events(_row_of(sheet)),
        in_flight=sum(edge.in_flight for edge in edges),
        settled=sum(edge.settled for edge in edges),
        dead=sheet.dead,
        difference=sum(abs(edge.difference) for edge in edges),
        proven=all(edge.proven for edge in edges),
        edges=edges,
        stages=[*_stage_balances(own, sheet.leaves, topology)],
        leaves=[LeafBalance(event_type=t, emitted=n) for t, n in sheet.leaves.items()],
        controls=[*sheet.controls],
        checks=dict(Counter(str(each.get("verdict")) for each in sheet.checks.values())),
        shut={
            stage: gate.get("failed", {})
            for stage, gate in sheet.gates.items()
            if gate["state"] == "failed" and sheet.closed is None
        },
        problems=[_problem(reason) for reason in sheet.problems],
        books=None if sheet.bookkeeper is None else _problem(sheet.bookkeeper),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _row_of(sheet: RunResult) -> Any:
    """Return what `count_distinct_events` needs of the row."""
    edges = {name: {"emitted": edge.emitted} for name, edge in sheet.edges.items()}
    return {"leaves": sheet.leaves, "edges": edges, "root": sheet.root}


def _problem(reason: Reason) -> RunProblem:
    return RunProblem(code=reason.code, text=reason_text(reason), stage=reason.fields.get("stage"))


def _edge_balance(name: str, edge: RunEdgeResult, *, is_open: bool) -> EdgeBalance:
    event_type, stage = split_edge_name(name)
    stage, _, foreign = stage.partition(FOREIGN_EDGE_MARK)
    parts = {outcome.value: edge.count(outcome) for outcome in Outcome}
    missing = edge.emitted - edge.consumed
    unread = max(0, missing) if is_open else 0
    parked = parts[Outcome.PARKED.value]
    return EdgeBalance(
        event_type=event_type,
        stage=stage,
        foreign=foreign or None,
        emitted=edge.emitted,
        parts={**parts, UNREAD: unread},
        settled=edge.consumed - parked,
        in_flight=parked + unread,
        difference=missing - unread,
        same_events=missing != 0 or parked != 0 or edge.differs == 0,
        proven=(edge.model_extra or {}).get("proven", True),
        oldest=edge.age,
        seconds_each=edge.seconds_each,
        rate=edge.rate,
        first=edge.first,
        last=edge.last,
    )


def _edges_in_order(edges: Mapping[str, RunEdgeResult], topology: Version | None) -> list[str]:
    """Return the names of the edges from the root on; those that no version has come last."""
    order = [
        name
        for stage in stages_in_order(topology)
        for event_type in topology.stages[stage].subscribes  # type: ignore[union-attr]
        if (name := edge_name(event_type, stage)) in edges
    ]
    known = {*order}
    return order + [name for name in edges if name not in known]


def stages_in_order(topology: Version | None) -> list[str]:
    """Return the stages of a version, each behind those whose events it reads; in a cycle, in the
    order of the file."""
    if topology is None:
        return []
    left = dict(topology.stages)
    order: list[str] = []
    while left:
        pending = {event_type for spec in left.values() for event_type in spec.emits}
        ready = [name for name, spec in left.items() if not pending & {*spec.subscribes}]
        for name in ready or [next(iter(left))]:
            order.append(name)
            del left[name]
    return order


def _stage_balances(
    edges: Sequence[EdgeBalance], leaves: Mapping[str, int], topology: Version | None
) -> Iterator[StageBalance]:
    emitted = dict(leaves)
    for edge in edges:
        emitted[edge.event_type] = max(emitted.get(edge.event_type, 0), edge.emitted)
    for name in dict.fromkeys(edge.stage for edge in edges):
        own = [edge for edge in edges if edge.stage == name]
        spec = topology.stages.get(name) if topology else None
        emits = [*spec.emits] if spec else []
        alone = [t for t in emits if topology and len(topology.emitters(t)) == 1]
        went_on = sum(e.parts[Outcome.HANDLED] + e.parts[Outcome.BYPASSED] for e in own)
        given = {event_type: emitted.get(event_type, 0) for event_type in alone}
        known = emits and len(alone) == len(emits) and went_on > 0
        times = [edge.first for edge in own if edge.first]
        yield StageBalance(
            name=name,
            emits=emits,
            external=bool(spec and spec.external),
            consumed=sum(edge.settled + edge.parts[Outcome.PARKED] for edge in own),
            went_on=went_on,
            emitted=given,
            ratio=sum(given.values()) / went_on if known else None,
            first=min(times, default=0),
            last=max((edge.last for edge in own), default=0),
        )
