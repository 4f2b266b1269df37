"""Which stages does this process host, and what changes when a version is published?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.catalog.active_stages import ActiveStage, active_stages, hosted_stages
from farandole.catalog.published_versions import PublishedVersions, VersionsByNumber
from farandole.events.controls_in_force import StageMode
from farandole.events.file_keys import restarting_fields
from farandole.events.next_step import NextStep
from farandole.events.topology_version import StageSpec, StageTopic, Version
from farandole.lanes.known_topics import KnownTopic
from farandole.lanes.lane_group import LaneGroup
from farandole.lanes.lane_spec import LaneSpec
from farandole.lanes.lane_work import LaneWork
from farandole.stages.function_loader import (
    StageFunction,
    UnusableFunctionError,
    load_stage_function,
)
from farandole.worker.candidates.candidate_process import CandidateProcess, CandidateSpec
from farandole.worker.candidates.end_switch import end_switch_of
from farandole.worker.candidates.stage_candidates import StageCandidates
from farandole.worker.control_state import ControlState
from farandole.worker.dependency_limits.process_limits import ProcessLimits, StageLimits
from farandole.worker.dependency_limits.share_exchange import KafkaShareExchange
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import make_lane_processor
from farandole.worker.lane_processor import LaneProcessor
from farandole.worker.log_setup import logging_in_force
from farandole.worker.output_routing import bind_outputs, schemas_differ, signature_mismatch
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.relay import RELAY, RelayedLanes
from farandole.worker.run_gate import GateRows
from farandole.worker.stage_meter import StageMeter
from farandole.worker.throttle.share_table import NoShareRows, ShareTable

log = structlog.get_logger()

DRAIN_SECONDS = 10.0  # seconds that a lane has to end between two transactions


_STATE_TOPIC_SECONDS = 5.0  # between two looks for the topics of states


class NothingToHostError(Exception):
    """This process can host none of the stages that it is to host; the message says why."""


class OutdatedCodeError(Exception):
    """A version was made for other code than this process has imported: a new process, which
    imports the code that is on disk now, must replace it."""


@dataclass(slots=True)
class _HostedStage:
    """A stage that this process hosts."""

    stage: StageSpec
    group: LaneGroup
    pool: ThreadPoolExecutor | None
    candidates: StageCandidates
    limits: StageLimits
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class StageHost:
    """The lane groups of one process. `stages`: the names of the stages to host; empty for all."""

    def __init__(
        self,
        settings: Settings,
        published: PublishedVersions,
        control: ControlState,
        stages: Collection[str],
        beat: Heartbeat,
        shares: ShareTable | None = None,
        gates: GateRows = lambda: None,
    ) -> None:
        """`shares`: what the lanes of all workers use of their throttles; without it each lane of a
        throttled stage has the same share. `gates`: which stages are open to which runs; without it
        only people open a gate."""
        self._settings = settings
        self._published = published
        self._control = control
        self._stages = stages
        self._beat = beat
        self._shares = shares or ShareTable(NoShareRows())
        self._gates = gates
        self._isolation_lock = asyncio.Lock()
        self._parked_memory = ParkedMemory.of_process()
        self._limits = ProcessLimits(control, KafkaShareExchange(settings))
        self._hosted: dict[str, _HostedStage] = {}
        self._state_topics: Mapping[str, int] = {}
        """The topics of the cluster, as of the last look for the topics of states."""
        self._missing_topics: Set[str] = frozenset()
        """The topics of states that do not exist: the router may be about to create them."""
        self._ending = asyncio.Event()
        self._topics_of: VersionsByNumber | None = None
        self._topics: Mapping[str, KnownTopic] = {}
        self.lanes: dict[str, Callable[[], int]] = {}
        """By stage, what returns the number of its lanes that are open in this process now."""
        self.functions: dict[str, Callable[..., Any]] = {}
        """By stage, the function that this process calls."""

    def _input_topics(self) -> Mapping[str, KnownTopic]:
        """Return the topics of all event types, as the published versions know them."""
        versions = self._published.versions
        if self._topics_of is not versions:
            self._topics_of, self._topics = versions, known_topics(versions)
        return self._topics

    def drain(self) -> None:
        """Let every lane end between transactions; `run` returns when that is done."""
        self._ending.set()

    async def run(self) -> None:
        """Host the stages of each version until `drain` is called, and return when all lanes have
        ended. Raises MembershipError, OutdatedCodeError, and NothingToHostError if no stage of the
        newest version can be hosted."""
        ending = asyncio.create_task(self._ending.wait())
        changed = asyncio.create_task(self._published.changed())
        try:
            await changed
            await self._apply_versions(changed.result(), first=True)
            changed = asyncio.create_task(self._published.changed())
            while True:
                working = [h.task for h in self._hosted.values() if h.task]
                done, _ = await asyncio.wait(
                    {ending, changed, *working},
                    timeout=_STATE_TOPIC_SECONDS if self._missing_topics else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if done - {changed}:
                    break
                if not done:
                    if await self._find_state_topics():
                        await self._apply_versions(self._published.versions)
                    continue
                await self._apply_versions(changed.result())
                changed = asyncio.create_task(self._published.changed())
        finally:
            changed.cancel()
            ending.cancel()
            await self._stop_stages(list(self._hosted))
            await self._limits.close()

    async def _apply_versions(self, versions: VersionsByNumber, *, first: bool = False) -> None:
        """Start, change and stop stages, so that the stages of these versions are hosted."""
        newest = versions[max(versions)]
        stages = await self._with_state_topics(hosted_stages(versions))
        if first:
            missing = [name for name in self._stages if name not in stages]
            if missing:
                raise NothingToHostError(
                    f"{newest.name} has no stage {missing[0]!r}: {', '.join(stages)}"
                )
        wanted = {n: s for n, s in stages.items() if not self._stages or n in self._stages}
        missing_code: list[str] = []
        codes: dict[str, StageFunction] = {}
        for name, wanted_stage in wanted.items():
            code = self._load_code(name, wanted_stage.stage, versions)
            if not isinstance(code, str) and schemas_differ(code.signature, wanted_stage.stage):
                before = self._hosted.get(name)
                if not first and (before is None or before.stage.code != wanted_stage.stage.code):
                    raise OutdatedCodeError(
                        f"{name}: its code has changed since this process began"
                    )
                log.warning(
                    "stage.differs",
                    stage=name,
                    version=newest.name,
                    remedy="the code here has other schemas than that for which the version was"
                    " made: deploy the same code everywhere, or apply again",
                )
            if isinstance(code, str):
                log.error("stage.refused", stage=name, version=newest.name, why=code)
                if name in newest.stages:
                    missing_code.append(code)
            else:
                codes[name] = code
        if missing_code and not codes:
            # Python imports code once: only the next process can load code that fits.
            raise NothingToHostError(missing_code[0])
        await self._stop_stages(
            [
                name
                for name, hosted in self._hosted.items()
                if name not in codes
                or without_wiring(hosted.stage) != without_wiring(wanted[name].stage)
            ]
        )
        for name, code in codes.items():
            self._start_stage(name, code, wanted[name], versions)
        log.info("worker.wired", version=newest.name, stages=sorted(self._hosted))

    async def _with_state_topics(
        self, stages: Mapping[str, ActiveStage]
    ) -> Mapping[str, ActiveStage]:
        """Return the stages with the topics of their states also where all of their versions are
        older than those: the router creates the topics when it starts."""
        pipeline = self._published.pipeline
        lacking = {
            self._settings.names.state_topic(pipeline, name): name
            for name, active in stages.items()
            if active.state is None and not active.stage.is_relayed
        }
        self._missing_topics = lacking.keys() - self._state_topics.keys()
        if self._missing_topics:
            await self._find_state_topics()
            self._missing_topics = lacking.keys() - self._state_topics.keys()
        found = dict(stages)
        for topic in lacking.keys() & self._state_topics.keys():
            active = stages[lacking[topic]]
            state = StageTopic(topic=topic, partitions=self._state_topics[topic])
            stage = active.stage.model_copy(update={"state": state})
            found[lacking[topic]] = active._replace(stage=stage, state=state)
        return found

    async def _find_state_topics(self) -> bool:
        """Look for topics of states, and return True if one that was missing is there now."""
        with suppress(BrokerError):  # it is asked again
            async with ClusterAdmin.open(self._settings) as admin:
                self._state_topics = await admin.all_topics()
        return not self._missing_topics.isdisjoint(self._state_topics)

    def _load_code(
        self, name: str, stage: StageSpec, versions: VersionsByNumber
    ) -> StageFunction | str:
        """Return the function of a stage; the reason as text if this process's code does not
        fit."""
        if stage.is_relayed:
            return RELAY
        version = newest_with(name, versions)
        try:
            code = load_stage_function(stage.run)
            why = signature_mismatch(stage, code.signature)
            for event_type in () if why else stage.subscribes:
                bind_outputs(version, event_type, name, code.signature)
        except UnusableFunctionError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 -- for example from the model of its parameters
            why = f"{stage.run}: {error}"
        if why is not None:
            return f"{why}; start a worker with the code that {version.name} was made for"
        return code

    def _start_stage(
        self, name: str, code: StageFunction, wanted_stage: ActiveStage, versions: VersionsByNumber
    ) -> None:
        if name in self._hosted:
            self._hosted[name].group.subscribe(wanted_stage.topics)
            return
        threads = wanted_stage.stage.threads
        pool = ThreadPoolExecutor(threads, thread_name_prefix=name) if threads else None
        limits = self._limits.of_stage()
        candidates = self._candidates(name, code, limits)
        group = self._group(name, code, wanted_stage, versions, pool, candidates, limits)
        hosted = _HostedStage(wanted_stage.stage, group, pool, candidates, limits)
        hosted.task = asyncio.create_task(hosted.group.run(hosted.ending))
        self._hosted[name] = hosted
        self.functions[name] = code.function
        self.lanes[name] = lambda: len(hosted.group.running_lanes)

    async def _stop_stages(self, names: Sequence[str]) -> None:
        """Drain these stages. Raises the error with which one of them ended."""
        ended = {name: self._hosted.pop(name) for name in names}
        for hosted in ended.values():
            hosted.ending.set()
            hosted.limits.end()
        tasks = [hosted.task for hosted in ended.values() if hosted.task]
        if tasks:
            await asyncio.wait(tasks)
        for name, hosted in ended.items():
            del self.lanes[name], self.functions[name]
            self._beat.meter.forget(name)
            await hosted.candidates.close()
            if hosted.pool is not None:
                hosted.pool.shutdown(wait=False, cancel_futures=True)
        for task in tasks:
            task.result()

    def _group(
        self,
        name: str,
        code: StageFunction,
        wanted_stage: ActiveStage,
        versions: VersionsByNumber,
        pool: ThreadPoolExecutor | None,
        candidates: StageCandidates,
        limits: StageLimits,
    ) -> LaneGroup:
        names, newest = self._settings.names, versions[max(versions)]
        call_started, call_ended = self._beat.call_watch(name)
        is_relayed = wanted_stage.stage.is_relayed
        parking = None if is_relayed else wanted_stage.parking
        controls = self._control.of_stage(name)
        state = None if is_relayed else wanted_stage.state

        def topic_of(lane: int, own: Callable[[ActiveStage], StageTopic | None]) -> str | None:
            """Return a topic of the stage's lanes, by the versions that are active now: later
            versions may have added the lane. None if the topic has no such partition."""
            now = own(active_stages(self._published.versions).get(name, wanted_stage))
            now = now or own(wanted_stage)
            return now.topic if now is not None and lane < now.partitions else None

        def make_processor(lane: int, function: Callable[..., Any]) -> LaneProcessor:
            return make_lane_processor(
                Invoker(
                    newest.pipeline,
                    name,
                    wanted_stage.stage,
                    function,
                    code.signature,
                    pool,
                    call_started,
                    call_ended,
                    limits,
                ),
                lane,
                self._published.versions,
                self._published.current,
                names,
                None if is_relayed else topic_of(lane, lambda active: active.parking),
                None if is_relayed else topic_of(lane, lambda active: active.state),
                on_committed=self._beat.counters(name).add,
                controls=controls,
                published=lambda: self._published.versions,
                candidates=None if is_relayed else candidates,
                shares=None if is_relayed else self._shares,
                gates=None if is_relayed else self._gates,
                parked_memory=self._parked_memory,
            )

        remedy = str(
            NextStep("decide where it goes on", ("seek", name, "--to earliest|latest|OFFSET"))
        )
        relayed = None
        if is_relayed:
            assert wanted_stage.raw is not None  # each version with such a stage has its raw topic
            relayed = RelayedLanes(
                wanted_stage.raw.topic,
                names.outside_group(newest.pipeline, name),
                wanted_stage.stage.emits,
                make_processor,
                remedy,
            )
            work: Callable[[int], LaneWork] = relayed.make_work
        else:
            # A lane that comes back after a rebalance keeps its processor.
            stage_meter = StageMeter(newest.pipeline, name, self._beat.counters(name), controls)
            self._beat.meter.watch(name, stage_meter.samples)
            make_lane = partial(make_processor, function=code.function)
            work = cache(stage_meter.measured(make_lane))
        spec = LaneSpec(
            group=names.stage_group(newest.pipeline, name),
            topics=wanted_stage.topics,
            transactional_id=partial(names.lane_transactional_id, newest.pipeline, name),
            work=work,
            drain_seconds=DRAIN_SECONDS,
            state_topics=[own.topic for own in (parking, state) if own is not None],
            known_topics=self._input_topics,
            changed_topic_remedy=str(NextStep("see what to do with", ("plan",))),
            lost_offset_remedy=remedy,
            is_paused=lambda: controls.mode().mode == "hold",
            state_room=self._parked_memory,
            catch_up=self._control.catch_up,
            pipeline=newest.pipeline,
            stage=name,
        )
        if relayed is not None:
            spec = replace(spec, wrap_port=relayed.wrap_port)
        return LaneGroup(
            self._settings, spec, isolation=self._isolation_lock, meter=self._beat.meter
        )

    def _candidates(self, name: str, code: StageFunction, limits: StageLimits) -> StageCandidates:
        def make_candidate(mode: StageMode) -> CandidateProcess:
            log_level, pretty = logging_in_force()
            return CandidateProcess(
                CandidateSpec(
                    Path(sys.path[0]),  # where `add_to_import_path` has put the pipeline's folder
                    name,
                    mode.run,
                    newest_with(name, self._published.versions),
                    takes_batch=code.signature.takes_batch,
                    log_level=log_level,
                    pretty=pretty,
                    limits=limits,
                )
            )

        def forbidden(mode: StageMode) -> str | None:
            has_effects = newest_with(name, self._published.versions).stages[name].has_effects
            if has_effects and not mode.allow_effects:
                return (
                    "the stage has effects, and its switch does not allow them: `--allow-effects`"
                )
            return None

        end_switch = partial(end_switch_of, self._settings, self._published.pipeline, name)
        return StageCandidates(make_candidate, end_switch, forbidden)


def newest_with(stage: str, versions: VersionsByNumber) -> Version:
    """Return the newest version that has a stage."""
    return max((v for v in versions.values() if stage in v.stages), key=lambda v: v.version)


def known_topics(versions: VersionsByNumber) -> dict[str, KnownTopic]:
    """Return the topics of the event types, each as the newest version with it knows it."""
    return {
        event.topic: KnownTopic(event.partitions, event.topic_id)
        for _, version in sorted(versions.items())
        for event in version.events.values()
    }


def without_wiring(stage: StageSpec) -> StageSpec:
    """Return the stage with only those fields whose change restarts its lanes: without what each
    event's version wires, and without what only other services read."""
    fields = restarting_fields(StageSpec)
    other = {name: None for name in StageSpec.model_fields if name not in fields}
    topics = {"parking": stage.parking, "state": stage.state, "raw": stage.raw}
    own = {n: t and t.model_copy(update={"partitions": 0}) for n, t in topics.items()}
    return stage.model_copy(update={**other, **own})
