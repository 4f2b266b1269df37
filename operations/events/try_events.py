"""What do the stages of a topology file make of some events, in memory?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from pydantic import Field

from farandole.events.check_verdict import check_key
from farandole.events.feature_flags import FlagValueError, parse_flag_text
from farandole.events.run_row import RunRow, edge_name
from farandole.operations.errors import NotFoundError, RefusedError
from farandole.operations.events.record_result import json_line
from farandole.operations.names import require_known
from farandole.operations.results import Result
from farandole.operations.topology_source import TopologySource, findings_error
from farandole.testing.event_tree import EventTree, StageStep
from farandole.testing.loaded_topology import TopologyError
from farandole.testing.memory_cluster import NotAtRestError
from farandole.testing.pipeline import Pipeline
from farandole.testing.results import Event, Verdict


@dataclass(frozen=True, slots=True)
class TriedEvent:
    """An event to try."""

    event_type: str
    data: bytes
    """JSON."""
    key: str | None = None
    """None for the field that the file names as the key."""


@dataclass(frozen=True, slots=True)
class TriedFiring:
    """The event that a schedule triggers, to try."""

    schedule: str
    planned: str | None = None
    """The planned time, local in the schedule's zone if it has no offset; None for the next one."""


@dataclass(frozen=True, slots=True)
class TryRequest:
    """Which events to try, and with which stages."""

    events: Sequence[TriedEvent | TriedFiring]
    stage: str | None = None
    """The only stage that runs; None for all."""
    with_effects: bool = False
    """Call the functions that write to the outside, too."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Values of flags, as they are written on a command line."""


_FAILURE = ("error", "message", "attempts", "traceback")

RestingReason = Literal["external", "effects", "not asked for"]


class StepResult(Result):
    """What a stage has made of an event."""

    stage: str
    outcome: str
    """One of `farandole.events.outcome`, or `not called`."""
    seconds: float | None
    """Seconds of handling per event of this type and run; None if nothing was measured."""
    why: RestingReason | None = None
    """Why the stage was not called."""
    error: str | None = None
    """Of a dead event, as are the next three."""
    message: str | None = None
    """Also of a row that waits until a person decides: which check parks it, and why."""
    attempts: int | None = None
    traceback: str | None = None
    """The user's frames alone."""
    outputs: list[EventResult] = Field(default_factory=list)
    """What it emitted. The results of a list are with the first event of the list."""


class EventResult(Result):
    """An event, and what became of it."""

    type: str
    key: str | None
    run: str
    position: str
    data: Any
    text: str = Field(exclude=True)
    """The data as one line of JSON."""
    steps: list[StepResult]


class TriedCheck(Result):
    """What a check has found about the runs that were tried."""

    check: str
    """`event type/name`."""
    severity: str
    verdict: str
    """The least favourable one of all runs: passed, skipped, not judged, warned or failed."""
    why: str
    """Why the first run with that verdict has it; empty if all have passed."""
    runs: int
    """How many runs, or windows, have that verdict, and `judged` how many have any."""
    judged: int


class TryResult(Result):
    """What became of the events that were tried."""

    status: str
    """The least favourable status of their runs."""
    is_balanced: bool = Field(serialization_alias="balanced")
    edges: dict[str, dict[str, int]]
    """The counts of all runs by `event type>stage`."""
    events: list[EventResult]
    flags: dict[str, dict[str, dict[str, int]]]
    """By stage and flag, how often its functions read each value, as JSON."""
    checks: list[TriedCheck]
    """None of them for runs that have not ended."""

    @property
    def has_died(self) -> bool:
        """True if a stage gave an event up, or the books do not balance."""
        return not self.is_balanced or any(edge["dead"] for edge in self.edges.values())

    @property
    def has_failed_checks(self) -> bool:
        """True if a check has failed."""
        return any(check.verdict == "failed" for check in self.checks)


def try_events(source: TopologySource, request: TryRequest) -> TryResult:
    """Run the stages of a topology file over some events, without Kafka.

    Raises RefusedError (`findings`, `unsettled`, `unfit_value`) and NotFoundError
    (`unknown_event_type`, `unknown_stage`, `unknown_flag`, `unknown_schedule`)."""
    stages = None if request.stage is None else [request.stage]
    try:
        pipeline = Pipeline(
            source.file, folder=source.folder, stages=stages, effects=request.with_effects
        )
    except TopologyError as error:
        raise findings_error([*error.findings]) from None
    except LookupError as error:
        raise NotFoundError("unknown_stage", str(error), name=request.stage) from None
    with pipeline:
        for name, text in request.flags.items():
            _set_flag(pipeline, name, text)
        for event in request.events:
            _send(pipeline, event)
        try:
            report = pipeline.run()
        except NotAtRestError as error:
            raise RefusedError("unsettled", str(error)) from None
        rows = {row["run"]: row for row in report.runs}
        teller = _Teller(pipeline, request, rows)
        return TryResult(
            status=report.status,
            is_balanced=report.is_balanced,
            edges=report.edges,
            events=[teller.event(root) for root in pipeline.roots],
            flags=report.flags,
            checks=[*_checks(pipeline.verdicts())],
        )


_GRAVITY = ("passed", "skipped", "not judged", "warned", "failed")


def _checks(verdicts: Iterable[Verdict]) -> Iterator[TriedCheck]:
    by_check: dict[str, list[Verdict]] = {}
    for each in verdicts:
        by_check.setdefault(check_key(each.event_type, each.check), []).append(each)
    for name, found in by_check.items():
        worst = max(found, key=lambda each: _GRAVITY.index(each.verdict))
        yield TriedCheck(
            check=name,
            severity=worst.severity,
            verdict=worst.verdict,
            why=worst.why,
            runs=sum(each.verdict == worst.verdict for each in found),
            judged=len(found),
        )


def _send(pipeline: Pipeline, event: TriedEvent | TriedFiring) -> None:
    """Publish an event. Raises NotFoundError and RefusedError."""
    version = pipeline.version
    if isinstance(event, TriedEvent):
        require_known(event.event_type, version.events, "event type", "unknown_event_type")
        pipeline.send(event.event_type, event.data, key=event.key)
        return
    require_known(event.schedule, version.schedules, "schedule", "unknown_schedule")
    try:
        pipeline.fire(event.schedule, event.planned)
    except ValueError as error:
        raise RefusedError("unfit_value", str(error), schedule=event.schedule) from None


def _set_flag(pipeline: Pipeline, name: str, text: str) -> None:
    """Set a flag. Raises NotFoundError and RefusedError."""
    flags = pipeline.version.flags
    require_known(name, flags, "flag", "unknown_flag")
    try:
        pipeline.flag(name, parse_flag_text(flags[name].type, text))
    except FlagValueError as error:
        raise RefusedError("unfit_value", f"the flag {name!r}: {error}", flag=name) from None


class _Teller:
    """Turns the events of a pipeline into results."""

    def __init__(self, pipeline: Pipeline, request: TryRequest, rows: dict[str, RunRow]) -> None:
        self._tree: EventTree = pipeline.tree
        self._pipeline = pipeline
        self._request = request
        self._rows = rows

    def event(self, event: Event) -> EventResult:
        text = json_line(event.raw)
        steps = [self._step(step) for step in self._tree.steps(event)]
        return EventResult(
            type=event.event_type,
            key=event.key,
            run=event.run,
            position=event.position,
            data=orjson.Fragment(text),
            text=text.decode(errors="backslashreplace"),
            steps=steps + self._resting_steps(event),
        )

    def _step(self, step: StageStep) -> StepResult:
        letter = step.letter
        failure = {} if letter is None else {name: getattr(letter, name) for name in _FAILURE}
        if step.parked is not None:
            failure["message"] = step.parked.message
        return StepResult(
            stage=step.stage,
            outcome="waiting" if step.outcome is None else step.outcome.value,
            seconds=self._seconds(step),
            **failure,
            outputs=[self.event(output) for output in step.outputs],
        )

    def _seconds(self, step: StageStep) -> float | None:
        row = self._rows.get(step.event.run)
        edge = row and row["edges"].get(edge_name(step.event.event_type, step.stage))
        if not edge or not edge["consumed"] or not edge["seconds"]:
            return None
        return edge["seconds"] / edge["consumed"]

    def _resting_steps(self, event: Event) -> list[StepResult]:
        return [
            StepResult(stage=name, outcome="not called", seconds=None, why=self._reason(name))
            for name, stage in self._pipeline.resting.items()
            if event.event_type in stage.subscribes
        ]

    def _reason(self, stage: str) -> RestingReason:
        if self._pipeline.resting[stage].external:
            return "external"
        return "not asked for" if self._request.stage not in (None, stage) else "effects"
