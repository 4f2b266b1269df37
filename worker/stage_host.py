"""Which stages does this process host, and what changes when a version is published?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import structlog

from farandole.broker.settings import Settings
from farandole.catalog.active_stages import ActiveStage, active_stages, hosted_stages
from farandole.catalog.published_versions import PublishedVersions, VersionsByNumber
from farandole.events.file_keys import restarting_fields
from farandole.events.next_step import NextStep
from farandole.events.topology_version import StageSpec
from farandole.lanes.known_topics import KnownTopic
from farandole.lanes.lane_group import LaneGroup
from farandole.lanes.lane_spec import LaneSpec
from farandole.lanes.lane_work import LaneWork
from farandole.stages.function_loader import (
    StageFunction,
    UnusableFunctionError,
    load_stage_function,
)
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import NoSchemaError, schema_digest
from farandole.worker.control_state import ControlState
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import make_lane_processor
from farandole.worker.lane_processor import LaneProcessor
from farandole.worker.output_routing import bind_outputs, signature_mismatch
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.relay import RELAY, RelayedLanes

log = structlog.get_logger()

DRAIN_SECONDS = 10.0  # seconds that a lane has to end between two transactions


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
    ) -> None:
        self._settings = settings
        self._published = published
        self._control = control
        self._stages = stages
        self._beat = beat
        self._isolation_lock = asyncio.Lock()
        self._parked_memory = ParkedMemory.of_process()
        self._hosted: dict[str, _HostedStage] = {}
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
                    {ending, changed, *working}, return_when=asyncio.FIRST_COMPLETED
                )
                if done - {changed}:
                    break
                await self._apply_versions(changed.result())
                changed = asyncio.create_task(self._published.changed())
        finally:
            changed.cancel()
            ending.cancel()
            await self._stop_stages(list(self._hosted))

    async def _apply_versions(self, versions: VersionsByNumber, *, first: bool = False) -> None:
        """Start, change and stop stages, so that the stages of these versions are hosted."""
        newest = versions[max(versions)]
        stages = hosted_stages(versions)
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
            if not isinstance(code, str) and _schemas_differ(code.signature, wanted_stage.stage):
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

    def _load_code(
        self, name: str, stage: StageSpec, versions: VersionsByNumber
    ) -> StageFunction | str:
        """Return the function of a stage; the reason as text if this process's code does not
        fit."""
        if stage.is_relayed:
            return RELAY
        version = max((v for v in versions.values() if name in v.stages), key=lambda v: v.version)
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
        hosted = _HostedStage(
            wanted_stage.stage, self._group(name, code, wanted_stage, versions, pool), pool
        )
        hosted.task = asyncio.create_task(hosted.group.run(hosted.ending))
        self._hosted[name] = hosted
        self.functions[name] = code.function
        self.lanes[name] = lambda: len(hosted.group.running_lanes)

    async def _stop_stages(self, names: Sequence[str]) -> None:
        """Drain these stages. Raises the error with which one of them ended."""
        ended = {name: self._hosted.pop(name) for name in names}
        for hosted in ended.values():
            hosted.ending.set()
        tasks = [hosted.task for hosted in ended.values() if hosted.task]
        if tasks:
            await asyncio.wait(tasks)
        for name, hosted in ended.items():
            del self.lanes[name], self.functions[name]
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
    ) -> LaneGroup:
        names, newest = self._settings.names, versions[max(versions)]
        call_started, call_ended = self._beat.call_watch(name)
        is_relayed = wanted_stage.stage.is_relayed
        parking = None if is_relayed else wanted_stage.parking

        def retry_topic_of(lane: int) -> str | None:
            """Return the retry topic of a lane, by the versions that are active now: later versions
            may have added the lane. None if the topic has no such partition."""
            now = active_stages(self._published.versions).get(name, wanted_stage).parking
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
                ),
                lane,
                self._published.versions,
                self._published.current,
                names,
                None if is_relayed else retry_topic_of(lane),
                on_committed=self._beat.counters(name).add,
                cancelled_runs=self._control.cancelled_runs,
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
            work = cache(partial(make_processor, function=code.function))
        spec = LaneSpec(
            group=names.stage_group(newest.pipeline, name),
            topics=wanted_stage.topics,
            transactional_id=partial(names.lane_transactional_id, newest.pipeline, name),
            work=work,
            drain_seconds=DRAIN_SECONDS,
            state_topics=[parking.topic] if parking else [],
            known_topics=self._input_topics,
            changed_topic_remedy=str(NextStep("see what to do with", ("plan",))),
            lost_offset_remedy=remedy,
            is_paused=partial(self._control.is_paused, name),
            state_room=self._parked_memory,
        )
        if relayed is not None:
            spec = replace(spec, wrap_port=relayed.wrap_port)
        return LaneGroup(self._settings, spec, isolation=self._isolation_lock)


def known_topics(versions: VersionsByNumber) -> dict[str, KnownTopic]:
    """Return the topics of the event types, each as the newest version with it knows it."""
    return {
        event.topic: KnownTopic(event.partitions, event.topic_id)
        for _, version in sorted(versions.items())
        for event in version.events.values()
    }


def _schemas_differ(signature: StageSignature, stage: StageSpec) -> bool:
    """Return True if the code has other schemas than the code for which the stage's version was
    made."""
    if not stage.code or signature.is_passthrough:
        return False
    try:
        return schema_digest(signature.input_schema, signature.output_schemas) != stage.code
    except NoSchemaError:
        return True


def without_wiring(stage: StageSpec) -> StageSpec:
    """Return the stage with only those fields whose change restarts its lanes: without what each
    event's version wires, and without what only other services read."""
    fields = restarting_fields(StageSpec)
    other = {name: None for name in StageSpec.model_fields if name not in fields}
    parks = stage.parking and stage.parking.model_copy(update={"partitions": 0})
    raw = stage.raw and stage.raw.model_copy(update={"partitions": 0})
    return stage.model_copy(update={**other, "parking": parks, "raw": raw})
