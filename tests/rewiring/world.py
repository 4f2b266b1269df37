"""What can happen to a pipeline that is rewired and switched while its workers die and others
change its topics, in every order?

The lanes, the handling and the wiring are the real ones; Kafka is
`farandole.lanes.simulated_kafka`, and the router follows the steps of
`router/version_publisher.py`, with its decisions about topics."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from farandole.broker.broker_errors import TopicMismatchError
from farandole.broker.topic_creation import check_partition_counts
from farandole.broker.topic_spec import TopicSpec
from farandole.catalog.active_stages import active_stages
from farandole.events.kafka_names import KafkaNames
from farandole.events.outcome import Outcome
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.switch_document import Mode, SwitchDocument
from farandole.events.topology_version import VERSION_FORMAT, EventSpec, StageSpec, Version
from farandole.lanes.known_topics import KnownTopic
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
from farandole.router.first_offsets import new_input_partitions
from farandole.router.topic_lives import (
    newest_spec,
    recreated_topics,
    require_settled_topics,
    with_lives,
)
from farandole.router.topic_resolution import resolve_topics
from farandole.router.topology_derivation import DerivedTopology
from farandole.stages.function_signature import read_signature as read_signature
from farandole.testing.memory_controls import MemoryControls
from farandole.worker.control_state import ControlState
from farandole.worker.counters import Counters
from farandole.worker.invoker import Invoker
from farandole.worker.lane_processor import LaneProcessor, LaneTopics
from farandole.worker.lineage import LineageResolver
from farandole.worker.output_routing import bind_outputs
from farandole.worker.stage_controls import StageControls
from farandole.worker.stage_host import known_topics
from tests.rewiring.accounts import Ended, faults
from tests.rewiring.edits import Stages

PIPELINE = "rewired"
NAMES = KafkaNames()
ROOTS = NAMES.event_topic(PIPELINE, "asked")
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
    known: Mapping[str, KnownTopic] = field(default_factory=dict)
    lock: SimulatedLock = field(default_factory=SimulatedLock)
    lanes: list[Lane] = field(default_factory=list)
    controls: MemoryControls = field(default_factory=lambda: MemoryControls(_no_time_passes))
    """What it has read of the control topic."""

    def follow(self, controls: MemoryControls) -> None:
        """Read the control topic to its end."""
        self.controls.rows, self.controls.offsets = controls.rows, {**controls.offsets}
        self.controls.written_at = {**controls.written_at}

    def controls_of(self, stage: str) -> StageControls:
        state = ControlState(self.controls, PIPELINE, lambda: WHEN, lambda: self.versions)
        return state.of_stage(stage)


class Deleted(NamedTuple):
    """A topic that was deleted, as it was then."""

    name: str
    id: str
    logs: Mapping[Partition, list[Any]]
    done: Mapping[tuple[str, int], int]
    """By stage and partition, the committed offset."""
    newest: int


@dataclass
class World:
    """Two workers, a router, an operator with Kafka's own tools, and a die. `without` names what is
    taken away to see it fail."""

    die: random.Random
    without: str = ""
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    workers: list[Worker] = field(default_factory=list)
    routers: dict[Life, Mapping[str, int]] = field(default_factory=dict)
    """Those at work, with the events of their files and the partitions of each."""
    generation: int = 0
    given: int = 0
    history: list[str] = field(default_factory=list)
    deleted: list[Deleted] = field(default_factory=list)
    controls: MemoryControls = field(default_factory=lambda: MemoryControls(_no_time_passes))
    """The control topic; empty until somebody switches something."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """What lanes have counted, without what workers that died then did not hear."""
    _assigned: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """By stage, the partitions of its topics for which its lanes were given out."""
    _read: tuple[int, Versions] = (0, {})

    def __post_init__(self) -> None:
        self.workers = [Worker({}), Worker({})]

    # -- what a person does

    def give(self) -> None:
        """A root without a header, in any partition that there is."""
        value = orjson.dumps({"n": self.given})
        self.given += 1
        if width := self.kafka.widths().get(ROOTS):
            partition = Partition(ROOTS, self.die.randrange(width))
            self.kafka.append(partition, OutgoingRecord(None, value))

    def edit(self, stages: Stages, widths: Mapping[str, int]) -> None:
        """The router that does it may be fenced by another, and then gives up; it may also have to
        refuse the file."""
        events = {event for wired in stages.values() for event in wired}
        router = self._publish(stages, widths)
        self.routers[router] = {event: widths.get(event, 2) for event in events}

    def settle(self) -> None:
        """Do what `status` says about topics that others have changed: apply the file of the newest
        version again, with the numbers of partitions that have grown."""
        newest, found = self._newest(), self.kafka.widths()
        widths = {n: max(e.partitions, found.get(e.topic, 0)) for n, e in newest.events.items()}
        stages = {n: (s.subscribes[0], s.emits[0]) for n, s in newest.stages.items()}
        self.edit(stages, widths)

    def switch(self, mode: Mode, stage: str = "") -> None:
        """Write a document, also about a stage that no version has. Each worker reads it later."""
        self.history.append(f"{stage or 'everything'} is switched to {mode}")
        self.controls.write(SwitchDocument(pipeline=PIPELINE, stage=stage, mode=mode))

    def widen(self) -> None:
        """An operator adds a partition to a topic."""
        if topic := self._any_topic():
            width = self.kafka.widths()[topic] + 1
            self.history.append(f"{topic} has {width} partitions")
            self.kafka.add_partitions(topic, width)

    def delete(self) -> None:
        """An operator deletes a topic, and mostly creates it again, perhaps with fewer
        partitions."""
        if topic := self._any_topic():
            width = self.kafka.widths()[topic]
            self.deleted.append(self._deleted(topic))
            self.history.append(f"{topic} is deleted")
            self.kafka.delete_topic(topic)
            if self.die.random() < 0.7:
                width = self.die.randint(1, width)
                self.history.append(f"{topic} is created again, {width} partitions")
                self.kafka.create_topic(topic, width)

    def _any_topic(self) -> str | None:
        # One that a publication under way leaves is not noticed any more (docs/limits.md).
        there = sorted(
            event.topic
            for name, event in self._newest().events.items()
            if event.topic in self.kafka.widths()
            and all(of.get(name) == event.partitions for of in self.routers.values())
        )
        return self.die.choice(there) if there else None

    def _newest(self) -> Version:
        versions = self._versions()
        return versions[max(versions)]

    def _unsettled(self) -> dict[str, str]:
        """Return the topics, by event, that are not those of the newest version any more."""
        if not self._versions():
            return {}
        newest, widths, ids = self._newest(), self.kafka.widths(), self.kafka.topic_ids()
        return {
            name: event.topic
            for name, event in newest.events.items()
            if widths.get(event.topic) != event.partitions or ids[event.topic] != event.topic_id
        }

    def _deleted(self, topic: str) -> Deleted:
        done = {
            (group.rpartition(".")[2], at.partition): found.offset
            for (group, at), found in self.kafka.offsets.items()
            if at.topic == topic
        }
        logs = {at: log for at, log in self.kafka.logs.items() if at.topic == topic}
        return Deleted(topic, self.kafka.topic_ids()[topic], logs, done, self._newest().version)

    def _ended(self) -> list[Ended]:
        """Return what deleted topics held; a transaction that was open then has ended by now."""
        return [
            Ended(
                each.name,
                each.id,
                [r for at, log in each.logs.items() for r in self.kafka.read_deleted(at, log)],
                each.done,
                each.newest,
            )
            for each in self.deleted
        ]

    # -- what happens by itself

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            if self.controls.rows and self.die.random() < 0.1:
                self.die.choice(self.workers).follow(self.controls)
            lanes = [(w, lane) for w in self.workers for lane in w.lanes]
            what = self.die.random()
            if self.routers and what < 0.2:
                self._route(self.die.choice(list(self.routers)))
            elif what < 0.24:
                self.adopt(self.die.choice(self.workers))
            elif what < 0.26 and self._versions():
                self._expire_hold()
            elif what < 0.265:
                self._refresh_metadata()
            elif what < 0.27:
                self._watch_topics(self.die.choice(self.workers))
            elif what < 0.36:
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
        fresh.follow(self.controls)
        self.workers.append(fresh)
        self.history.append("kill")
        for stage in {lane.stage for lane in worker.lanes}:
            self._rebalance(stage)
        self.adopt(fresh)

    def adopt(self, worker: Worker) -> None:
        """A worker's host hears of the versions that can be read by now."""
        if worker.versions is self._versions():
            return
        before, after = active_stages(worker.versions), active_stages(self._versions())
        worker.versions = self._versions()
        worker.known = known_topics(worker.versions)
        for stage, wish in after.items():
            if stage not in before or before[stage].topics != wish.topics:
                self._rebalance(stage)

    def rebalance(self) -> None:
        stages = list(active_stages(self._versions()))
        if stages:
            self._rebalance(self.die.choice(stages))

    def calm(self) -> list[str]:
        """No more disasters: all is let on and comes to rest, and the accounts are read."""
        if self.controls.rows:
            self.switch("on")
            for worker in self.workers:
                worker.follow(self.controls)
        for _ in range(4000):
            if not self.routers and self._unsettled():
                self.settle()
            for router in list(self.routers):
                self._route(router)
            self._refresh_metadata()
            for worker in self.workers:
                self.adopt(worker)
                self._watch_topics(worker)
                for lane in list(worker.lanes):
                    self._advance(worker, lane)
            self._complete(always=True)
            if not self.routers and self._settled() and not self._unsettled():
                return faults(self._versions(), self._everything(), self._letters(), self._ended())
        raise AssertionError("silent: not all was settled although nothing stood in the way")

    # -- the router

    async def _publish(self, stages: Stages, widths: Mapping[str, int]) -> None:
        await simulation_step("router")
        epoch = self.kafka.init("router")
        try:
            await self._published(stages, widths, epoch)
        except FencedError:
            self.kafka.init(f"hold-{epoch}")  # nobody waits for one who has lost
        except TopicMismatchError as error:
            self.history.append(f"refused: {error}")
        except OutcomeUnknownError:
            self.kafka.init("router")
            self.kafka.init(f"hold-{epoch}")

    async def _published(self, stages: Stages, widths: Mapping[str, int], epoch: int) -> None:
        kafka = self.kafka
        await simulation_step("version producer")
        # Its own for each epoch: a router that has lost cannot take the winner's hold away.
        hold = f"hold-{epoch}"
        holding = kafka.init(hold)
        await simulation_step("hold producer")
        earlier, existing = self._versions(), kafka.widths()
        history = [version for _, version in sorted(earlier.items())]
        derived = resolve_topics(_derived(stages, widths), history, existing, NAMES)
        check_partition_counts(derived.topics, existing)
        ids = kafka.topic_ids()
        newest = {e.topic for v in history[-1:] for e in v.events.values()}
        recreated = recreated_topics(newest | {*derived.topics}, history, existing, ids)
        require_settled_topics(derived.events, history, existing, recreated)
        await simulation_step("topics")
        self._create_topics(derived)
        created = derived.topics.keys() - existing.keys()
        await simulation_step("configs")
        recreated = recreated.union(t for t in created if newest_spec(history, t))
        ids = kafka.topic_ids() | ids
        events = with_lives(derived.events, history, recreated, ids)
        if self.without == "lives":
            events = {n: e.model_copy(update={"life": 1}) for n, e in events.items()}
        known = {e.topic: e.partitions for v in history for e in v.events.values()
                 if e.topic not in recreated}  # fmt: skip
        marked = [Partition(e.topic, i) for e in events.values()
                  for i in range(min(e.partitions, known.get(e.topic, 0)))]  # fmt: skip
        ends = {p: len(kafka.log(p)) for p in marked}
        version = _version(len(earlier) + 1, stages, events)
        offsets = self._first_offsets(version, history, ends, recreated.union(created))
        if self.without != "fence of the lanes":
            for tid in _readers(history, recreated):
                await simulation_step("fence a lane")
                kafka.init(tid)
        kafka.begin("router", epoch)
        await simulation_step("begin")
        for stage, first in offsets.items():
            kafka.add_offsets("router", epoch, _group(stage), first)
        boundaries = dict(ends)
        kafka.begin(hold, holding)
        for partition in marked:
            if self.without != "hold":
                boundaries[partition] = len(kafka.log(partition))
                kafka.produce(hold, holding, partition, [OutgoingRecord(None, b"hold")])
            await simulation_step("hold")
        version = _with_boundaries(version, boundaries)
        row = OutgoingRecord(None, version.model_dump_json().encode())
        kafka.produce("router", epoch, TOPOLOGY, [row])
        await simulation_step("version")
        kafka.commit("router", epoch)
        while version.version not in self._versions():
            await simulation_step("readable?")
        self.history.append(f"@{version.version}: {dict(stages)}")
        kafka.abort(hold, holding)

    def _create_topics(self, derived: DerivedTopology) -> None:
        for topic, spec in derived.topics.items():
            if topic not in self.kafka.widths():
                self.kafka.create_topic(topic, spec.partitions)
            elif spec.grows and self.kafka.widths()[topic] < spec.partitions:
                self.kafka.add_partitions(topic, spec.partitions)

    def _first_offsets(
        self,
        version: Version,
        history: Sequence[Version],
        ends: Mapping[Partition, int],
        emptied: frozenset[str],
    ) -> dict[str, dict[Partition, CommittedOffset]]:
        """Return, by stage, where it begins in the inputs that are new to it."""
        found: dict[str, dict[Partition, CommittedOffset]] = {}
        for stage, tps in new_input_partitions(version, history, emptied).items():
            for partition in (Partition(*tp) for tp in tps):
                added = self.without == "start of added partitions"
                first = ends.get(partition, len(self.kafka.log(partition)) if added else 0)
                old = self.kafka.offsets.get((_group(stage), partition))
                if old is None or old.offset < first or partition.topic in emptied:
                    found.setdefault(stage, {})[partition] = CommittedOffset(first)
        return found

    def _route(self, router: Life) -> None:
        try:
            router.send(None)
        except StopIteration:
            del self.routers[router]

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
        widths = self._assigned[stage] = self._widths(topics[eligible[0]] if eligible else ())
        for index in range(max(widths.values(), default=0)):
            worker = self.die.choice(eligible)
            inputs = [Partition(t, index) for t in topics[worker] if index < widths.get(t, 0)]
            self._hold_lane(worker, stage, index, inputs)

    def _widths(self, topics: Sequence[str]) -> Mapping[str, int]:
        """Return the partition counts of those of the topics that exist."""
        return {t: n for t, n in self.kafka.widths().items() if t in topics}

    def _refresh_metadata(self) -> None:
        """Groups hear of topics that are wider, gone or new, and give their lanes out again."""
        stages = active_stages(self.workers[0].versions)
        for stage, before in list(self._assigned.items()):
            active = stages.get(stage)
            if active is not None and self._widths(active.topics) != before:
                self._rebalance(stage)

    def _watch_topics(self, worker: Worker) -> None:
        for lane in worker.lanes:
            lane.port.read_topic_ids()

    def _hold_lane(
        self, worker: Worker, stage: str, index: int, inputs: Sequence[Partition]
    ) -> None:
        tid = _lane(stage, index)
        self.kafka.generations[tid] = self.generation
        port = SimulatedPort(self.kafka, _group(stage), tid, inputs, self.generation)
        if self.without != "known topics":
            port.known_topics = lambda: worker.known
        controls = worker.controls_of(stage)
        port.is_paused = lambda: controls.mode().mode == "hold"
        signature = read_signature(passed_on)

        async def current() -> Versions:
            await simulation_step("versions?")
            written = len(self.kafka.log(TOPOLOGY))
            while self.without != "wait" and self.kafka.last_stable_offset(TOPOLOGY) < written:
                await simulation_step("undecided")
            return worker.versions if self.without == "ask" else self._versions()

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
            on_committed=self._count,
            controls=controls,
            monotonic=_no_time_passes,
        )
        life = lead(port, work, isolation=worker.lock, log=_nothing)
        life.send(None)
        worker.lanes.append(Lane(stage, port, life))

    def _count(self, done: Counters) -> None:
        self.outcomes.update(done.outcomes)
        self.outcomes[Outcome.HANDLED] += done.consumed - sum(done.outcomes.values())

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
        known = known_topics(self._versions())
        for name, stage in active_stages(self._versions()).items():
            for topic in self._widths(stage.topics):
                for index in range(known[topic].partitions):
                    partition = Partition(topic, index)
                    committed = self.kafka.offsets.get((_group(name), partition))
                    if committed is None or committed.offset < len(self.kafka.log(partition)):
                        return False
        return all(p.transaction is None for p in self.kafka.producers.values())


def _group(stage: str) -> str:
    return NAMES.stage_group(PIPELINE, stage)


def _lane(stage: str, index: int) -> str:
    return NAMES.lane_transactional_id(PIPELINE, stage, index)


def _readers(history: Sequence[Version], topics: Set[str]) -> list[str]:
    """Return the transactional ids of all lanes that read one of the topics."""
    return sorted({
        _lane(stage, index)
        for version in history
        for stage, spec in version.stages.items()
        for event in (version.events[name] for name in spec.subscribes)
        if event.topic in topics
        for index in range(event.partitions)
    })  # fmt: skip


def _derived(stages: Stages, widths: Mapping[str, int]) -> DerivedTopology:
    events = {
        name: EventSpec(topic=NAMES.event_topic(PIPELINE, name), partitions=widths.get(name, 2))
        for name in sorted({event for wired in stages.values() for event in wired})
    }
    topics = {event.topic: TopicSpec(event.partitions) for event in events.values()}
    return DerivedTopology(PIPELINE, events, {}, topics)


def _version(number: int, stages: Stages, events: Mapping[str, EventSpec]) -> Version:
    return Version(
        pipeline=PIPELINE,
        version=number,
        installation=INSTALLATION,
        published=WHEN,
        published_by="a test",
        events=dict(events),
        stages={
            name: StageSpec(run="m:f", subscribes=(takes,), emits=(gives,))
            for name, (takes, gives) in stages.items()
        },
        format=VERSION_FORMAT,
    )


def _with_boundaries(version: Version, boundaries: Mapping[Partition, int]) -> Version:
    """A partition without one is new: all of its records are the version's."""
    events = {
        name: event.model_copy(
            update={
                "boundaries": tuple(
                    boundaries.get(Partition(event.topic, index), 0)
                    for index in range(event.partitions)
                )
            }
        )
        for name, event in version.events.items()
    }
    return version.model_copy(update={"events": events})


def _nothing(*_: object, **__: object) -> None: ...


def _no_time_passes() -> float:
    """A loaded machine must not change the course of a simulation."""
    return 0.0
