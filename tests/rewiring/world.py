"""What can happen to a pipeline that is rewired while its workers die, in every order?

The lanes, the handling and the wiring are the real ones; Kafka is
`farandole.lanes.simulated_kafka`, and the router follows the steps of
`router/version_publisher.py`."""

from __future__ import annotations

import random
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson

from farandole.catalog.active_stages import active_stages
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.lanes.lane_port import (
    CommittedOffset,
    FencedError,
    LaneStoppedError,
    OutcomeUnknownError,
)
from farandole.lanes.lane_protocol import run_lane as lead
from farandole.lanes.simulated_kafka import (
    SimulatedKafka,
    SimulatedLock,
    SimulatedPort,
    simulation_step,
)
from farandole.stages.function_signature import read_signature as read_signature
from farandole.worker.invoker import Invoker
from farandole.worker.lane_processor import LaneProcessor, LaneTopics
from farandole.worker.lineage import LineageResolver
from farandole.worker.output_routing import bind_outputs
from tests.rewiring.accounts import faults
from tests.rewiring.edits import Stages

PIPELINE = "rewired"
TOPOLOGY = Partition("topology", 0)
INSTALLATION = UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11")
WHEN = datetime(2026, 11, 24, tzinfo=UTC)
Life = Coroutine[Any, BaseException | None, None]
Versions = Mapping[int, Version]


def passed_on(item: dict[str, int]) -> dict[str, int]:
    return item


@dataclass(eq=False)
class Lane:
    stage: str
    port: SimulatedPort
    life: Life


@dataclass(eq=False)
class Worker:
    versions: Versions
    """As its host knows them; what it reads from."""
    lock: SimulatedLock = field(default_factory=SimulatedLock)
    lanes: list[Lane] = field(default_factory=list)


@dataclass
class World:
    """Two workers, a router, and a die. `hold`, `ask` and `wait` are what is taken away to see it
    fail."""

    die: random.Random
    hold: bool = True
    ask: bool = True
    wait: bool = True
    """A worker waits for the end of a version's transaction that has begun when it asks."""
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    workers: list[Worker] = field(default_factory=list)
    routers: list[Life] = field(default_factory=list)
    generation: int = 0
    given: int = 0
    history: list[str] = field(default_factory=list)
    _read: tuple[int, Versions] = (0, {})

    def __post_init__(self) -> None:
        self.workers = [Worker({}), Worker({})]

    # -- what a person does

    def give(self) -> None:
        """A root without a header, where the first version has put it."""
        width = self._versions()[1].events["asked"].partitions
        value = orjson.dumps({"n": self.given})
        self.given += 1
        partition = Partition("asked", self.die.randrange(width))
        self.kafka.append(partition, OutgoingRecord(None, value))

    def edit(self, stages: Stages, widths: Mapping[str, int]) -> None:
        """The router that does it may be fenced by another, and then gives up."""
        self.routers.append(self._publish(stages, widths))

    # -- what happens by itself

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            lanes = [(w, lane) for w in self.workers for lane in w.lanes]
            what = self.die.random()
            if self.routers and what < 0.06:
                self._route(self.die.choice(self.routers))
            elif what < 0.1:
                self.adopt(self.die.choice(self.workers))
            elif what < 0.11 and self._versions():
                self._expire_hold()
            elif what < 0.25:
                self._complete()
            elif lanes:
                worker, lane = self.die.choice(lanes)
                lost = OutcomeUnknownError("lost") if self.die.random() < 0.01 else None
                self._advance(worker, lane, lost)

    def kill(self) -> None:
        """kill -9, and a new worker in its place, which reads the versions first."""
        worker = self.die.choice(self.workers)
        for lane in worker.lanes:
            lane.life.close()
        self.workers.remove(worker)
        fresh = Worker({})
        self.workers.append(fresh)
        self.history.append("kill")
        for stage in {lane.stage for lane in worker.lanes}:
            self._rebalance(stage)
        self.adopt(fresh)

    def adopt(self, worker: Worker) -> None:
        """A worker's host hears of the versions that can be read by now."""
        before, after = active_stages(worker.versions), active_stages(self._versions())
        worker.versions = self._versions()
        for stage, wish in after.items():
            if stage not in before or before[stage].topics != wish.topics:
                self._rebalance(stage)

    def rebalance(self) -> None:
        stages = list(active_stages(self._versions()))
        if stages:
            self._rebalance(self.die.choice(stages))

    def calm(self) -> list[str]:
        """No more disasters: all comes to rest, and the accounts are read."""
        for _ in range(4000):
            for router in list(self.routers):
                self._route(router)
            for worker in self.workers:
                self.adopt(worker)
                for lane in list(worker.lanes):
                    self._advance(worker, lane)
            self._complete(always=True)
            if not self.routers and self._settled():
                return faults(self._versions(), self._everything(), self._letters())
        raise AssertionError("silent: not all was settled although nothing stood in the way")

    # -- the router

    async def _publish(self, stages: Stages, widths: Mapping[str, int]) -> None:
        await simulation_step("router")
        epoch = self.kafka.init("router")
        try:
            await self._published(stages, widths, epoch)
        except FencedError:
            self.kafka.init(f"hold-{epoch}")  # nobody waits for one who has lost

    async def _published(self, stages: Stages, widths: Mapping[str, int], epoch: int) -> None:
        kafka = self.kafka
        await simulation_step("version producer")
        # Its own for each epoch: a router that has lost cannot take the winner's hold away.
        hold = f"hold-{epoch}"
        holding = kafka.init(hold)
        await simulation_step("hold producer")
        earlier = self._versions()
        events = {
            name: (_topic(name, widths, earlier), widths.get(name, 2))
            for name in sorted({e for wired in stages.values() for e in wired})
        }
        old = {e.topic for v in earlier.values() for e in v.events.values()}
        boundaries: dict[str, list[int]] = {}
        if self.hold:
            kafka.begin(hold, holding)
        for topic, width in events.values():
            boundaries[topic] = []
            for index in range(width):
                partition = Partition(topic, index)
                if topic in old and self.hold:
                    kafka.produce(hold, holding, partition, [OutgoingRecord(None, b"hold")])
                    await simulation_step("hold")
                    boundaries[topic].append(_last_hold(kafka, partition))
                else:
                    boundaries[topic].append(len(kafka.log(partition)) if topic in old else 0)
        version = _version(len(earlier) + 1, stages, events, boundaries)
        kafka.begin("router", epoch)
        await simulation_step("begin")
        kafka.produce("router", epoch, TOPOLOGY, [OutgoingRecord(None, version)])
        published = Version.model_validate_json(version)
        for name, stage in published.stages.items():
            had = active_stages(earlier)[name].topics if name in active_stages(earlier) else ()
            kafka.add_offsets("router", epoch, _group(name), {
                Partition(published.events[e].topic, i): CommittedOffset(boundary)
                for e in stage.subscribes if published.events[e].topic not in had
                for i, boundary in enumerate(published.events[e].boundaries)
            })  # fmt: skip
        await simulation_step("offsets")
        kafka.commit("router", epoch)
        while published.version not in self._versions():
            await simulation_step("readable?")
        self.history.append(f"@{published.version}: {dict(stages)}")
        if self.hold:
            kafka.abort(hold, holding)

    def _route(self, router: Life) -> None:
        try:
            router.send(None)
        except StopIteration:
            self.routers.remove(router)

    # -- the workers

    def _rebalance(self, stage: str) -> None:
        """Eager: every member ends its lanes of the stage; then the assignor gives them out."""
        self.generation += 1
        for worker in self.workers:
            for lane in [lane for lane in worker.lanes if lane.stage == stage]:
                lane.port.stopping = True
                for _ in range(60 if self.die.random() < 0.7 else 0):
                    if lane not in worker.lanes:
                        break
                    self._advance(worker, lane)
                self._abandon(worker, lane)
        topics = {w: active_stages(w.versions)[stage].topics for w in self.workers
                  if stage in active_stages(w.versions)}  # fmt: skip
        most = max(map(len, topics.values()), default=0)
        eligible = [worker for worker, names in topics.items() if len(names) == most]
        widths = {e.topic: e.partitions for v in self._versions().values()
                  for e in v.events.values()}  # fmt: skip
        for index in range(max((widths[t] for t in topics.get(eligible[0], ())), default=0)
                           if eligible else 0):  # fmt: skip
            worker = self.die.choice(eligible)
            inputs = [Partition(t, index) for t in topics[worker] if index < widths[t]]
            self._hold_lane(worker, stage, index, inputs)

    def _hold_lane(
        self, worker: Worker, stage: str, index: int, inputs: Sequence[Partition]
    ) -> None:
        tid = f"{stage}:{index}"
        self.kafka.generations[tid] = self.generation
        port = SimulatedPort(self.kafka, _group(stage), tid, inputs, self.generation)
        signature = read_signature(passed_on)

        async def current() -> Versions:
            await simulation_step("versions?")
            written = len(self.kafka.log(TOPOLOGY))
            while self.wait and self.kafka.last_stable_offset(TOPOLOGY) < written:
                await simulation_step("undecided")
            return self._versions() if self.ask else worker.versions

        bound = active_stages(worker.versions)[stage].stage
        caller = Invoker(PIPELINE, stage, bound, passed_on, signature, None, float, _nothing)
        wiring = LineageResolver(
            worker.versions,
            current,
            partial(bind_outputs, stage=stage, signature=signature),
            monotonic=_no_time_passes,
        )
        work = LaneProcessor(
            caller,
            wiring,
            LaneTopics(f"{stage}.dead", "ledger"),
            0,
            on_committed=_nothing,
            monotonic=_no_time_passes,
        )
        life = lead(port, work, isolation=worker.lock, log=_nothing)
        life.send(None)
        worker.lanes.append(Lane(stage, port, life))

    def _advance(self, worker: Worker, lane: Lane, lost: BaseException | None = None) -> None:
        try:
            lane.life.send(None)
            if lost is not None:
                lane.life.throw(lost)
        except (StopIteration, LaneStoppedError):
            if lane in worker.lanes:
                worker.lanes.remove(lane)

    def _abandon(self, worker: Worker, lane: Lane) -> None:
        """What it was at is as if its process had died: `tests/lanes` has the gentler end."""
        if lane in worker.lanes:
            worker.lanes.remove(lane)
            lane.life.close()

    # -- Kafka

    def _expire_hold(self) -> None:
        """A hold outlives its time-out. That of the version is shorter: its transaction is aborted
        by then, or its commit is acknowledged, however long the coordinator takes for the end."""
        for tid, producer in self.kafka.producers.items():
            if tid.startswith("hold-") and producer.transaction is not None:
                self.history.append(f"{tid} expires")
                self.kafka.expire("router")
                self.kafka.expire(tid)
                return

    def _complete(self, *, always: bool = False) -> None:
        for tid in self.kafka.producers:
            if always or self.die.random() < 0.7:
                self.kafka.complete(tid)

    def _versions(self) -> Versions:
        """What can be read; the same object as long as it is the same."""
        records = self.kafka.read_committed(TOPOLOGY)
        if len(records) != self._read[0]:
            found = [Version.model_validate_json(r.value or b"") for r in records]
            self._read = len(records), {v.version: v for v in found}
        return self._read[1]

    def _everything(self) -> list[Record]:
        topics = {e.topic for v in self._versions().values() for e in v.events.values()}
        return [r for p in self.kafka.logs if p.topic in topics
                for r in self.kafka.read_committed(p)]  # fmt: skip

    def _letters(self) -> list[Record]:
        return [r for p in self.kafka.logs if p.topic.endswith(".dead")
                for r in self.kafka.read_committed(p)]  # fmt: skip

    def _settled(self) -> bool:
        widths = {e.topic: e.partitions for v in self._versions().values()
                  for e in v.events.values()}  # fmt: skip
        for name, stage in active_stages(self._versions()).items():
            for topic in stage.topics:
                for index in range(widths[topic]):
                    partition = Partition(topic, index)
                    committed = self.kafka.offsets.get((_group(name), partition))
                    if committed is None or committed.offset < len(self.kafka.log(partition)):
                        return False
        return all(p.transaction is None for p in self.kafka.producers.values())


def _group(stage: str) -> str:
    return f"{PIPELINE}.{stage}"


def _topic(event: str, widths: Mapping[str, int], earlier: Versions) -> str:
    first = next((v.events[event] for _, v in sorted(earlier.items()) if event in v.events), None)
    width = widths.get(event, 2)
    return event if first is None or first.partitions == width else f"{event}--{width}"


def _last_hold(kafka: SimulatedKafka, partition: Partition) -> int:
    log = kafka.log(partition)
    return max(o for o, e in enumerate(log) if e.outgoing and e.outgoing.value == b"hold")


def _version(
    number: int,
    stages: Stages,
    events: Mapping[str, tuple[str, int]],
    boundaries: Mapping[str, Sequence[int]],
) -> bytes:
    version = Version(
        pipeline=PIPELINE,
        version=number,
        installation=INSTALLATION,
        published=WHEN,
        published_by="a test",
        events={
            name: EventSpec(topic=topic, partitions=width, boundaries=tuple(boundaries[topic]))
            for name, (topic, width) in events.items()
        },
        stages={
            name: StageSpec(run="m:f", subscribes=(takes,), emits=(gives,))
            for name, (takes, gives) in stages.items()
        },
    )
    return version.model_dump_json().encode()


def _nothing(*_: object, **__: object) -> None: ...


def _no_time_passes() -> float:
    """A loaded machine must not change the course of a simulation."""
    return 0.0
