"""What flows, waits and fails on each stage and edge of a pipeline now?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from farandole.events.run_row import edge_name
from farandole.operations.graph.stage_condition import (
    StageCondition,
    StageFacts,
    lanes_at_work,
    share_text,
    stage_condition,
)
from farandole.operations.results import Result


class EdgeFigures(Result):
    """What is on one edge. Counts are events; what is not known is None."""

    rate_in: float | None = None
    """Events a second that come."""
    rate_out: float | None = None
    """Events a second that are settled."""
    in_flight: int | None = None
    exact: bool = True
    """True if `in_flight` comes from the books; False if it counts offsets, of which some are no
    events."""
    oldest_seconds: float | None = None
    """The age of the oldest that is unread, or of the oldest when it was settled."""
    filtered_rate: float | None = None
    dead_rate: float | None = None
    trouble: bool = False
    """True if its reader does not take what comes: the edge stands in the tone of the reader."""


class StageFigures(Result):
    """How one stage is."""

    condition: StageCondition
    mode: str = ""
    """What is tried beside the stage: `canary 10 %`; empty if nothing is."""
    lanes: int
    lanes_at_work: int
    workers: int
    parked: int
    parked_more: bool
    """True if more may be parked than were counted."""
    dead: int
    """Dead letters that are not settled."""
    dead_more: bool
    dead_rate: float | None = None
    """Events a second that die."""


class LaneFigures(Result):
    """One lane of a stage."""

    lane: int
    worker: str
    """The process that works it; empty if none does."""
    condition: StageCondition
    unread: int
    """In offsets: the markers of transactions take offsets too."""
    oldest_seconds: float | None


class PipelineFigures(Result):
    """The figures of a pipeline at one moment."""

    pipeline: str
    at: datetime
    version: int
    """The version in force."""
    stages: dict[str, StageFigures]
    edges: dict[str, EdgeFigures]
    """By the names of the edges: `event>stage`, `event>` for a leaf."""
    has_rates: bool
    """False if no rates are known."""


@dataclass(frozen=True, slots=True)
class EdgeFacts:
    """What the books say of one edge."""

    in_flight: int | None = 0
    """None for roots: the books know one once a stage has taken it."""
    rate_in: float | None = None
    rate_out: float | None = None
    filtered_rate: float | None = None
    dead_rate: float | None = None
    age_seconds: float | None = None
    """Of the oldest event when it was settled, lately."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stage has to read of one event, in all its partitions."""

    stage: str
    event: str
    unread: int
    """In offsets."""
    oldest_seconds: float | None
    """None if nothing is unread, or nobody knows how old it is."""


@dataclass(frozen=True, slots=True)
class StageCounts:
    """What is counted in the topics of a stage."""

    parked: int = 0
    parked_more: bool = False
    dead: int = 0
    dead_more: bool = False


@dataclass(frozen=True, slots=True)
class PipelineFacts:
    """All that the figures of a pipeline are made of."""

    pipeline: str
    at: datetime
    version: int
    stages: Mapping[str, StageFacts]
    counts: Mapping[str, StageCounts]
    readings: Sequence[Reading]
    leaves: Sequence[str] = ()
    books: Mapping[str, EdgeFacts] | None = None
    """By the name of the edge; None if nobody has read them."""
    lanes: Mapping[str, Sequence[LaneFacts]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """What a lane has to read."""

    lane: int
    unread: int
    oldest_seconds: float | None


_STANDING = frozenset(("hold", "waiting", "throttled", "late", "unworked", "stopped", "gated"))


def pipeline_figures(facts: PipelineFacts) -> PipelineFigures:
    """Return the figures for the picture."""
    conditions = {name: stage_condition(each) for name, each in facts.stages.items()}
    inputs = Counter(each.stage for each in facts.readings)
    edges = {
        edge_name(each.event, each.stage): _edge_figures(
            facts,
            each,
            conditions[each.stage].code in _STANDING,
            facts.counts.get(each.stage, StageCounts()).parked if inputs[each.stage] == 1 else 0,
        )
        for each in facts.readings
    }
    for event in facts.leaves:
        known = (facts.books or {}).get(edge_name(event, ""))
        edges[edge_name(event, "")] = EdgeFigures(rate_in=known.rate_in if known else None)
    stages = {
        name: _stage_figures(each, conditions[name], facts.counts.get(name, StageCounts()))
        for name, each in facts.stages.items()
    }
    for each in facts.readings:
        rate = edges[edge_name(each.event, each.stage)].dead_rate
        if rate is not None:
            before = stages[each.stage]
            total = (before.dead_rate or 0) + rate
            stages[each.stage] = before.model_copy(update={"dead_rate": total})
    return PipelineFigures(
        pipeline=facts.pipeline,
        at=facts.at,
        version=facts.version,
        stages=stages,
        edges=edges,
        has_rates=facts.books is not None,
    )


def lane_figures(facts: StageFacts, lanes: Sequence[LaneFacts]) -> list[LaneFigures]:
    """Return the lanes of a stage, each with its own state."""
    return [
        LaneFigures(
            lane=each.lane,
            worker=facts.owners.get(each.lane, ""),
            condition=stage_condition(_of_lane(facts, each)),
            unread=each.unread,
            oldest_seconds=each.oldest_seconds,
        )
        for each in lanes
    ]


def _of_lane(facts: StageFacts, lane: LaneFacts) -> StageFacts:
    is_owned = lane.lane in facts.owners or (bool(facts.workers) and not facts.owners)
    throttled = facts.throttled
    if throttled is not None and throttled.lanes and lane.lane not in throttled.lanes:
        throttled = None
    return StageFacts(
        lanes=1,
        workers=1 if is_owned else 0,
        unread=lane.unread,
        unread_lanes=[lane.lane] if lane.unread else [],
        lost=[each for each in facts.lost if each == lane.lane],
        pause=facts.pause,
        mode=facts.mode,
        open_breakers=[each for each in facts.open_breakers if each.lane == lane.lane],
        throttled=throttled,
        oldest_seconds=lane.oldest_seconds,
        age_limit=facts.age_limit,
        draining=facts.draining,
        program=facts.program,
    )


def _edge_figures(facts: PipelineFacts, reading: Reading, stands: bool, parked: int) -> EdgeFigures:
    """Return the figures of an edge. `parked`: how many of its events are; what is parked is in
    flight, also while the books do not know it yet."""
    known = None
    if facts.books is not None:
        known = facts.books.get(edge_name(reading.event, reading.stage), EdgeFacts())
    oldest = reading.oldest_seconds
    if known is not None and oldest is None:
        oldest = known.age_seconds
    in_books = known.in_flight if known is not None else None
    unread = reading.unread if in_books is None else max(in_books, parked)
    return EdgeFigures(
        rate_in=known.rate_in if known else None,
        rate_out=known.rate_out if known else None,
        in_flight=unread,
        exact=in_books is not None,
        oldest_seconds=oldest,
        filtered_rate=known.filtered_rate if known else None,
        dead_rate=known.dead_rate if known else None,
        trouble=stands and bool(reading.unread or unread),
    )


def _stage_figures(
    facts: StageFacts, condition: StageCondition, counts: StageCounts
) -> StageFigures:
    tried = ""
    if facts.mode is not None and facts.mode.mode in ("bypass", "shadow", "canary"):
        share = "" if facts.mode.share is None else f" {share_text(facts.mode.share)}"
        tried = f"{facts.mode.mode}{share}"
    return StageFigures(
        condition=condition,
        mode=tried,
        lanes=facts.lanes,
        lanes_at_work=lanes_at_work(facts),
        workers=facts.workers,
        parked=counts.parked,
        parked_more=counts.parked_more,
        dead=counts.dead,
        dead_more=counts.dead_more,
    )
