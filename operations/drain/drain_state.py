"""Is a pipeline drained, and if not, what hinders it?

A drain lets the roots wait and everything else go on. The pipeline is *drained* when no event of it
is in flight, and none can come to be without a root that now waits. Who says so must have read, in
this order:

1. **The lanes' acknowledgements.** A lane with roots in an input writes into its state, in a
   transaction, that it takes no root any more whose run has not begun. The next owner of the lane
   reads the control topic to its end before it takes anything. So once each such lane has
   acknowledged, or its group has no member, no further run begins.
2. **The inputs and the retry topics**: an event that somebody else wrote into the topic of an
   emitted type is in no books until a stage takes it. And a lane that is behind another reader of
   its roots, or has an event of a stage behind them, still takes roots to get there: these could
   begin runs of which neither 3 nor 4 knows.
3. **The end of the ledger** as it is then, with the entries of transactions that have not ended.
   Every run that has begun by then, and every event that a stage has taken or emitted, is in the
   entries before it.
4. **The bookkeeper's offsets**, until they have reached that end; **then the run rows**: these
   entries are in them. If nothing is in flight in any row, nothing is in flight
   (`ledger/run_completion.py`).
5. **The acknowledgements, the versions and the drain again.** A lane takes its acknowledgement back
   in the transaction in which it begins to take roots again. So if all of them still stand, nothing
   has begun between 1 and 5, whatever has become of the drain meanwhile and whatever the clocks
   say.

The reader of these facts is Kafka or a simulation of it: so it is this order that is tested.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from farandole.broker.consumer_lag import InputLag
from farandole.catalog.active_stages import ActiveStage, active_stages
from farandole.catalog.root_inputs import begun_before, is_mixed, roots_end
from farandole.catalog.version_boundaries import version_starts
from farandole.events.controls_in_force import DrainInForce, TimedDocument
from farandole.events.drain_document import Acknowledgement
from farandole.events.rate import rate_at
from farandole.events.run_row import (
    FOREIGN_EDGE_MARK,
    RunRow,
    in_flight,
    pending_events,
    split_edge_name,
)
from farandole.events.throttle_document import RateTarget
from farandole.events.throttles_in_force import rate_in_force
from farandole.events.topology_version import Version
from farandole.operations.reasons import Reason
from farandole.operations.results import Result

LEDGER_TRIES = 15
"""How often one look waits for the bookkeeper to reach the end of the ledger."""
_NAMED_RUNS = 3  # runs that a hindrance names

LagByStage = Mapping[str, Sequence[InputLag]]
RequiredTopics = Mapping[int, frozenset[str]]
"""By lane of a stage, the topics of which it must have acknowledged that their roots wait."""


class ParkedEvents(NamedTuple):
    """The parked events of a stage, as far as its retry topic tells."""

    number: int
    last_due: datetime | None = None
    """When the last of them is tried again; None if it is not known."""


class DrainState(Result):
    """How far a pipeline is drained."""

    pipeline: str
    state: Literal["open", "draining", "drained"]
    """`open`: no drain is in force."""
    since: datetime | None = None
    """When the drain was ordered; None if none is in force."""
    until: datetime | None = None
    by: str = ""
    comment: str = ""
    generation: int | None = None
    """The offset of the document in the control topic."""
    hindrances: list[Reason] = Field(default_factory=list)
    """What hinders *drained*, each with what can be done; empty if nothing does."""


class DrainReader(Protocol):
    """The facts about one pipeline, each as of the moment of the call. Raises BrokerError."""

    async def drain(self) -> DrainInForce | None:
        """Return the drain that is in force; None if none is."""

    async def versions(self) -> Sequence[Version]:
        """Return all published versions, the oldest first."""

    async def lags(self, versions: Sequence[Version]) -> LagByStage:
        """Return, by active stage, the lag in every input that any version has given it: first the
        ends are read, then the offsets."""

    async def acknowledgements(
        self, stages: Iterable[str]
    ) -> Mapping[str, Mapping[int, Acknowledgement]]:
        """Return, by stage and lane, what the lanes have acknowledged."""

    async def takers(self, stage: str, *, external: bool) -> int:
        """Return how many processes may take roots of a stage: members of its group, and of the
        group of its program."""

    async def unread(self, versions: Sequence[Version], lags: LagByStage) -> Mapping[str, int]:
        """Return, by stage, how many events are unread in these ranges; without stages that have
        read everything."""

    async def events_behind_roots(
        self, versions: Sequence[Version], lags: LagByStage
    ) -> Mapping[str, int]:
        """Return, by stage, how many events of stages are unread in these ranges."""

    async def parked(self, stages: Iterable[str]) -> Mapping[str, ParkedEvents]:
        """Return, by stage, what waits in the retry topics; without stages where nothing does."""

    async def ledger_ends(self) -> Mapping[int, int]:
        """Return the end of each partition of the ledger, behind entries of transactions that have
        not ended; empty if there is no ledger."""

    async def ledger_behind(self, ends: Mapping[int, int]) -> int:
        """Return how many offsets before these ends are not folded."""

    async def bookkeepers(self) -> int:
        """Return how many processes fold the ledger."""

    async def wait(self) -> None:
        """Wait a moment for the bookkeeper."""

    async def runs_in_flight(self) -> Sequence[RunRow]:
        """Return the rows of the pipeline's runs with events in flight."""

    async def obstacles(self, stages: Collection[str]) -> Sequence[Reason]:
        """Return why these stages may not go on: on hold, throttled to 0, without worker, an open
        breaker, a lost offset."""


async def read_drain_state(
    reader: DrainReader, pipeline: str, excepted: Collection[str] = ()
) -> DrainState:
    """Return whether a drain is in force, and whether the pipeline is drained. `excepted`: runs
    that need not end. Raises BrokerError."""
    drain = await reader.drain()
    if drain is None:
        return DrainState(pipeline=pipeline, state="open")
    found = await _find_hindrances(reader, drain, frozenset(excepted))
    return DrainState(
        pipeline=pipeline,
        state="draining" if found else "drained",
        since=drain.since,
        until=drain.until,
        by=drain.by,
        comment=drain.comment,
        generation=drain.generation,
        hindrances=found,
    )


async def _find_hindrances(
    reader: DrainReader, drain: DrainInForce, excepted: Collection[str]
) -> list[Reason]:
    versions = await reader.versions()
    stages = active_stages({version.version: version for version in versions})
    required = required_lanes(versions, await reader.lags(versions))
    found = await _still_taking(reader, drain, stages, required)
    lags = await reader.lags(versions)
    unread: dict[str, int] = {}
    for each in (
        lanes_behind(versions, lags),
        await reader.unread(versions, beyond_roots(versions, lags)),
        await reader.events_behind_roots(versions, behind_roots(versions, lags)),
    ):
        unread |= {stage: unread.get(stage, 0) + number for stage, number in each.items()}
    parked = await reader.parked(stages)
    found += await _ledger_hindrances(reader)
    # Also if the rows may be behind: they say what there is to wait for.
    rows = [row for row in await reader.runs_in_flight() if row["run"] not in excepted]
    in_flight_now = [*in_flight_reasons(rows, unread, {} if excepted else parked)]
    found += in_flight_now
    if not found:
        found += await _still_taking(reader, drain, stages, required)
        if await reader.versions() != versions or await reader.drain() != drain:
            found.append(Reason("drain_changed"))
    busy = {reason.fields["stage"] for reason in found if "stage" in reason.fields}
    return [*found, *(await reader.obstacles(sorted(busy)) if busy else ())]


def required_lanes(versions: Sequence[Version], lags: LagByStage) -> dict[str, RequiredTopics]:
    """Return which lanes must have acknowledged the drain, and of which topics."""
    found: dict[str, dict[int, set[str]]] = {}
    for stage, of_stage in lags.items():
        for each in of_stage:
            if _roots_wait(versions, each):
                topic, lane = each.partition
                found.setdefault(stage, {}).setdefault(lane, set()).add(topic)
    return {
        stage: {lane: frozenset(topics) for lane, topics in lanes.items()}
        for stage, lanes in found.items()
    }


def beyond_roots(versions: Sequence[Version], lags: LagByStage) -> LagByStage:
    """Return the lags without the roots that wait, and what stands behind them: an event of a stage
    there is in the books."""
    return {
        stage: [
            replace(each, committed=each.end) if _roots_wait(versions, each) else each
            for each in of_stage
        ]
        for stage, of_stage in lags.items()
    }


def behind_roots(versions: Sequence[Version], lags: LagByStage) -> LagByStage:
    """Return the lags in which an event of a stage may stand behind roots that wait."""
    by_number = {version.version: version for version in versions}
    return {
        stage: found
        for stage, of_stage in lags.items()
        if (
            found := [
                each
                for each in of_stage
                if each.lag
                and _roots_wait(versions, each)
                and is_mixed(by_number, each.partition.topic)
            ]
        )
    }


def lanes_behind(versions: Sequence[Version], lags: LagByStage) -> dict[str, int]:
    """Return, by stage, how many offsets its lanes still take of the roots that wait, because other
    stages have begun the runs of some."""
    positions = {(stage, each.partition): each.position for stage in lags for each in lags[stage]}
    found: dict[str, int] = {}
    for stage, of_stage in lags.items():
        for each in of_stage:
            if not _roots_wait(versions, each):
                continue
            others = {s: at for (s, tp), at in positions.items() if tp == each.partition}
            starts = version_starts(versions, *each.partition)
            behind = begun_before(starts, each.position, stage, others) - each.position
            if behind > 0:
                found[stage] = found.get(stage, 0) + behind
    return found


def _roots_wait(versions: Sequence[Version], lag: InputLag) -> bool:
    by_number = {version.version: version for version in versions}
    return lag.position < roots_end(by_number, *lag.partition)


def missing_lanes(
    required: RequiredTopics, acknowledged: Mapping[int, Acknowledgement], generation: int
) -> list[int]:
    """Return the lanes of a stage that have not acknowledged the drain of this generation."""
    return [
        lane
        for lane, topics in sorted(required.items())
        if (found := acknowledged.get(lane)) is None
        or found.generation != generation
        or not topics <= found.waits
    ]


async def _still_taking(
    reader: DrainReader,
    drain: DrainInForce,
    stages: Mapping[str, ActiveStage],
    required: Mapping[str, RequiredTopics],
) -> list[Reason]:
    """Return a reason for each stage whose lanes, or whose program, may begin further runs."""
    found = []
    acknowledged = await reader.acknowledgements(required)
    for stage, lanes in required.items():
        external = bool(stages[stage].stage.external)
        missing = missing_lanes(lanes, acknowledged.get(stage, {}), drain.generation)
        if missing and await reader.takers(stage, external=external):
            code = "drain_program" if external else "drain_unacknowledged"
            found.append(Reason(code, {"stage": stage, "lanes": missing}))
    return found


async def _ledger_hindrances(reader: DrainReader) -> list[Reason]:
    """Wait until the bookkeeper has folded what is in the ledger now; return why it has not."""
    ends = await reader.ledger_ends()
    if not ends:
        return [Reason("no_books")]
    for _ in range(LEDGER_TRIES):
        behind = await reader.ledger_behind(ends)
        if not behind:
            return []
        if not await reader.bookkeepers():
            return [Reason("ledger_stopped", {"behind": behind})]
        await reader.wait()
    return [Reason("ledger_behind", {"behind": behind})]


def in_flight_reasons(
    rows: Iterable[RunRow], unread: Mapping[str, int], parked: Mapping[str, ParkedEvents]
) -> Iterator[Reason]:
    """Yield, by stage, what is in flight: by the books, and where these know nothing of it, by the
    topics."""
    flying: dict[str, int] = {}
    waiting: dict[str, int] = {}
    runs: dict[str, list[str]] = {}
    for row in rows:
        for name, edge in row["edges"].items():
            events, pending = in_flight(edge), max(0, pending_events(edge))
            if events <= 0:
                continue
            stage = split_edge_name(name)[1].partition(FOREIGN_EDGE_MARK)[0]
            flying[stage] = flying.get(stage, 0) + max(0, events - pending)
            waiting[stage] = waiting.get(stage, 0) + min(events, pending)
            of_stage = runs.setdefault(stage, [])
            if row["run"] not in of_stage:
                of_stage.append(row["run"])
    for stage in dict.fromkeys([*flying, *unread, *parked]):
        fields: dict[str, Any] = {"stage": stage, "runs": sorted(runs.get(stage, []))[:_NAMED_RUNS]}
        if flying.get(stage):
            more = len(runs[stage]) > _NAMED_RUNS
            yield Reason("drain_in_flight", {**fields, "events": flying[stage], "more": more})
        elif stage in unread:
            yield Reason("drain_unread", {"stage": stage, "events": unread[stage]})
        known = parked.get(stage, ParkedEvents(0))
        if events := waiting.get(stage) or known.number:
            yield Reason("drain_parked", {**fields, "events": events, "until": known.last_due})


def throttle_reasons(
    documents: Sequence[TimedDocument],
    pipeline: str,
    stages: Iterable[str],
    versions: Sequence[Version],
    now: datetime,
) -> Iterator[Reason]:
    """Yield a reason for each of these stages that takes nothing now, because its rate is 0.
    `documents`: in the order of the log."""
    by_number = {version.version: version for version in versions}
    for stage in stages:
        found = rate_in_force(documents, pipeline, RateTarget(stage), by_number, now)
        if found.rule is not None and rate_at(found.rule, now.timestamp(), found.begun) == 0:
            yield Reason("stage_throttled", {"stage": stage, "by": found.by, "until": found.until})
