"""Of which parts is the processor of a stage's lane made?

On Kafka the stage host asks for it, in memory `farandole.testing`: both work events alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.worker.candidates.stage_candidates import StageCandidates
from farandole.worker.counters import Counters
from farandole.worker.drained_inputs import LaneDrain
from farandole.worker.invoker import Invoker
from farandole.worker.lane_processor import LaneProcessor, LaneTopics
from farandole.worker.lineage import LineageResolver, Versions
from farandole.worker.output_routing import OutputRouter, bind_outputs, schemas_differ
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.run_gate import GateRows, RunGate
from farandole.worker.stage_controls import StageControls
from farandole.worker.throttle.lane_throttle import LanePlace, LaneThrottle
from farandole.worker.throttle.limit_members import LimitMembers
from farandole.worker.throttle.share_table import ShareTable


def make_lane_processor(
    invoker: Invoker,
    lane: int,
    versions: Versions,
    read_again: Callable[[], Awaitable[Versions]],
    names: KafkaNames,
    retry_topic: str | None,
    state_topic: str | None,
    *,
    on_committed: Callable[[Counters], None],
    parked_memory: ParkedMemory,
    controls: StageControls,
    published: Callable[[], Versions] | None = None,
    candidates: StageCandidates | None = None,
    shares: ShareTable | None = None,
    gates: GateRows | None = None,
    clock: Callable[[], float] = time.time,
    throttle_clock: Callable[[], float] = time.monotonic,
) -> LaneProcessor:
    """Return the processor of one lane of the invoker's stage. `versions` are those that are
    published, and `read_again` returns them, read now. `retry_topic` is None if no event of the
    lane can be parked, `state_topic` if the lane cannot keep its state. `published` returns
    the versions as they are known at the time; without it the lane heeds no drain. Without
    `candidates` none is called, without `shares` no rate is in force, and without
    `gates` no run waits for a verdict. `clock` returns seconds
    of the epoch, `throttle_clock` seconds of a clock that never goes back."""
    drained = None
    if published is not None:
        drained = partial(
            LaneDrain, invoker.pipeline, invoker.stage, names, controls.drain, published
        )
    throttle = None
    if shares is not None:
        members = LimitMembers(invoker.stage, published or (lambda: versions))
        throttle = partial(
            LaneThrottle,
            LanePlace(invoker.pipeline, invoker.stage, lane, members.count, members.root_topics),
            controls,
            shares,
            names.shares_topic,
            retry_topic,
            clock=clock,
            monotonic=throttle_clock,
        )
    bind = partial(
        bind_outputs, stage=invoker.stage, signature=invoker.signature, latest=invoker.settings
    )
    bind = partial(bind_known_code, max(versions), invoker, bind)
    lineages = LineageResolver(versions, read_again, bind)
    gate = None
    if gates is not None:
        gate = RunGate(invoker.pipeline, invoker.stage, lineages, gates, controls, retry_topic)
    return LaneProcessor(
        invoker,
        lineages,
        LaneTopics(
            dead=names.dead_topic(invoker.pipeline, invoker.stage),
            ledger=names.ledger_topic,
            retry=retry_topic,
            alerts=names.alerts_topic,
            state=state_topic,
        ),
        lane,
        on_committed=on_committed,
        controls=controls,
        candidates=candidates,
        parked_memory=parked_memory,
        drained=drained,
        throttle=throttle,
        gate=gate,
        clock=clock,
    )


def bind_known_code(
    newest: int,
    invoker: Invoker,
    bind: Callable[[Version, str], OutputRouter | None],
    version: Version,
    event_type: str,
) -> OutputRouter | None:
    """Return what `bind` returns. Raises OutcomeUnknownError for a version behind `newest` that was
    made for other code: the lane has read it before its process, which is about to make room for
    one with that code."""
    stage = version.stages.get(invoker.stage)
    if (
        stage is not None
        and version.version > newest
        and stage.code != invoker.settings.code
        and schemas_differ(invoker.signature, stage)
    ):
        raise OutcomeUnknownError(f"{version.name} was made for other code of {invoker.stage}")
    return bind(version, event_type)
