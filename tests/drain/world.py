"""What can happen to a pipeline that is drained, rewired and killed, in every order?

The lanes, the handling, the retries, the books and the judgement are the real ones; Kafka is
`farandole.lanes.simulated_kafka`, and each worker has its own clock and its own view of the control
topic and of the versions."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from aiokafka import TopicPartition

from farandole.broker.consumer_lag import InputLag
from farandole.catalog.active_stages import active_stages
from farandole.catalog.ownership import VersionIndex
from farandole.events.control_documents import parse_control, serialize_control
from farandole.events.controls_in_force import DrainInForce, TimedDocument, drain_in_force
from farandole.events.drain_document import (
    ACKNOWLEDGEMENT_KEY,
    Acknowledgement,
    DrainDocument,
    parse_acknowledgement,
)
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.retry_record import PARKED_PREFIX
from farandole.events.run_row import RunRow, in_flight, parse_run_row
from farandole.events.topology_version import (
    VERSION_FORMAT,
    EventSpec,
    RetryPolicy,
    StageSpec,
    StageTopic,
    Version,
)
from farandole.lanes.lane_port import CommittedOffset, LaneStoppedError
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.simulated_kafka import (
    SimulatedKafka,
    SimulatedLock,
    SimulatedPort,
    simulation_step,
)
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.operations.drain.drain_state import (
    DrainState,
    LagByStage,
    ParkedEvents,
    read_drain_state,
)
from farandole.operations.reasons import Reason
from farandole.router.first_offsets import new_input_partitions
from farandole.router.version_retirement import drained_versions, versions_of_run
from farandole.stages.function_signature import read_signature
from farandole.worker.control_state import ControlState
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import make_lane_processor
from farandole.worker.parked_memory import ParkedMemory

PIPELINE = "drained"
NAMES = KafkaNames()
INSTALLATION = UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11")
WHEN = datetime(2026, 11, 24, tzinfo=UTC)
RETRY = RetryPolicy(attempts=3, backoff=1, jitter=0, in_place=0, parked=50)
PARTITIONS = 2
LEDGER = 2
Life = Coroutine[Any, BaseException | None, Any]
Wiring = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]

PLAIN: Wiring = {
    "plan": (("asked",), ("planned",)),
    "audit": (("asked",), ("audited",)),
    "join": (("planned", "other"), ("joined",)),
    "load": (("joined",), ("loaded",)),
}
"""Two stages read the same root, and one reads a root and an emitted type."""
FRONTED: Wiring = {**PLAIN, "front": (("wanted",), ("asked",))}
"""What was a root is emitted."""
SHORT: Wiring = {name: PLAIN[name] for name in ("plan", "join")}
WIRINGS = (PLAIN, FRONTED, SHORT)


@dataclass(eq=False)
class Lane:
    stage: str
    port: SimulatedPort
    life: Life


@dataclass(eq=False)
class Worker:
    """One process; as a `ControlTable` it has read the control topic up to a certain offset."""

    skew: float
    """How far its clock is ahead, in seconds."""
    versions: Mapping[int, Version] = field(default_factory=dict)
    rows: Mapping[bytes, bytes] = field(default_factory=dict)
    written_at: dict[bytes, int] = field(default_factory=dict)
    offsets: dict[bytes, int] = field(default_factory=dict)
    read: int = 0
    frozen: bool = False
    lock: SimulatedLock = field(default_factory=SimulatedLock)
    lanes: list[Lane] = field(default_factory=list)

    def follow(self, log: Sequence[tuple[bytes, bytes | None, float]], end: int) -> None:
        """Read the control topic up to this offset."""
        for offset in range(self.read, end):
            key, value, at = log[offset]
            rows = {k: v for k, v in self.rows.items() if k != key}
            self.rows = rows if value is None else {**rows, key: value}
            self.written_at[key], self.offsets[key] = int(at * 1000), offset
        self.read = max(self.read, end)


@dataclass
class World:
    """Workers, a bookkeeper, a router, somebody who asks whether the pipeline is drained, and a
    die. `without` names what is taken away to see it fail."""

    die: random.Random
    without: str = ""
    skew: float = 3.0
    """The most by which two clocks may differ, in seconds."""
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    now: float = WHEN.timestamp()
    failing: float = 0.3
    workers: list[Worker] = field(default_factory=list)
    versions: dict[int, Version] = field(default_factory=dict)
    controls: list[tuple[bytes, bytes | None, float]] = field(default_factory=list)
    bookkeeper: list[Life] = field(default_factory=list)
    judging: Life | None = None
    judge_skew: float = 0.0
    generation: int = 0
    given: int = 0
    drained: int | None = None
    """The generation of the drain under which *drained* was said last, and is to stay true."""
    said: int = 0
    history: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kafka.clock = lambda: int(self.now * 1000)
        self.chance = random.Random(self.die.getrandbits(32))
        self.judge_skew = self.die.uniform(-self.skew, self.skew) / 2
        for index in range(LEDGER):
            place = Partition(NAMES.ledger_topic, index)
            self.kafka.offsets[NAMES.bookkeeper_group, place] = CommittedOffset(0)
        self.publish(PLAIN)
        self.workers = [self._worker(), self._worker()]
        for worker in self.workers:
            self.adopt(worker)
        self._start_bookkeeper()

    # -- what people do

    def give(self) -> None:
        """A root of the newest version."""
        newest = self.versions[max(self.versions)]
        self._append(self.die.choice(newest.roots()))

    def give_in_between(self) -> None:
        """Somebody writes an event into the topic of a type that stages emit."""
        if self.judging is None:
            self.drained = None
            self._append("planned")

    def _append(self, event_type: str) -> None:
        topic = NAMES.event_topic(PIPELINE, event_type)
        value = orjson.dumps({"n": self.given})
        self.given += 1
        place = Partition(topic, self.die.randrange(PARTITIONS))
        self.kafka.append(place, OutgoingRecord(None, value), int(self.now * 1000))

    def drain(self, seconds: float | None = None) -> None:
        until = None if seconds is None else datetime.fromtimestamp(self.now + seconds, UTC)
        document = DrainDocument(pipeline=PIPELINE, until=until)
        self._control(document.key, serialize_control(document))

    def end_drain(self) -> None:
        self._control(DrainDocument(pipeline=PIPELINE).key, None)

    def _control(self, key: bytes, value: bytes | None) -> None:
        self.history.append(f"{self.now:.1f} control {len(self.controls)}: {value!r}")
        self.drained = None
        self.controls.append((key, value, self.now))

    def publish(self, wiring: Wiring) -> None:
        """A router publishes a version in one moment; `tests/rewiring` has the steps."""
        earlier = [version for _, version in sorted(self.versions.items())]
        version = _version(len(earlier) + 1, wiring, self.kafka, earlier)
        for stage, places in new_input_partitions(version, earlier).items():
            group = NAMES.stage_group(PIPELINE, stage)
            for tp in places:
                place = Partition(*tp)
                first = len(self.kafka.log(place)) if earlier else 0
                old = self.kafka.offsets.get((group, place), CommittedOffset(0)).offset
                self.kafka.offsets[group, place] = CommittedOffset(max(first, old))
        for stage in wiring:
            for index in range(PARTITIONS):
                place = Partition(NAMES.retry_topic(PIPELINE, stage), index)
                group = NAMES.stage_group(PIPELINE, stage)
                self.kafka.offsets.setdefault((group, place), CommittedOffset(0))
        self.history.append(f"{self.now:.1f} {version.name}: {[*wiring]}")
        self.versions = {**self.versions, version.version: version}

    def retire(self) -> None:
        """Retire the versions that are over, by the rule of the router."""
        versions = [v for _, v in sorted(self.versions.items()) if v.retired is None]
        lags = self.lags(versions)
        committed = {stage: {i.partition: i.committed for i in of} for stage, of in lags.items()}
        ends = {each.partition: each.end for of in lags.values() for each in of}
        passed = drained_versions(versions, committed, ends)
        if not passed or self.ledger_behind(self.ledger_ends()):
            return
        rows = self.rows()
        busy = {number for row in rows for number in versions_of_run(row)}
        for version in passed:
            if version.version not in busy:
                self.history.append(f"{self.now:.1f} {version.name} is retired")
                over = version.model_copy(update={"retired": WHEN})
                self.versions = {**self.versions, version.version: over}

    # -- what happens by itself

    def live(self, phases: int) -> None:
        """Let anything happen, now and then while the pipeline is drained; note what goes wrong."""
        for _ in range(phases):
            self._live(self.die.randrange(150), disasters=0.03)
            self.drain(self.die.choice([None, None, self.die.uniform(2, 20)]))
            self._live(self.die.randrange(700), disasters=0.008)
            if self.faults:
                return
            if self.die.random() < 0.7:
                self.end_drain()

    def _live(self, steps: int, disasters: float) -> None:
        for _ in range(steps):
            self.now += self.die.random() * 0.06
            what = self.die.random()
            if what < 0.02:
                self.give()
            elif what < 0.02 + disasters:
                self._disaster()
            elif what < 0.10:
                worker = self.die.choice(self.workers)
                worker.follow(self.controls, self.die.randint(worker.read, len(self.controls)))
            elif what < 0.20:
                self._advance_bookkeeper()
            elif what < 0.45:
                self.judge()
            elif what < 0.50:
                self._complete()
            else:
                self._advance_any()
            if self.faults:
                return

    def _disaster(self) -> None:
        what = self.die.random()
        if what < 0.08:
            self.give_in_between()
        elif what < 0.12:
            self.drain()
        elif what < 0.20:
            self.drain(self.die.uniform(1, 15))
        elif what < 0.26:
            self.end_drain()
        elif what < 0.38:
            self.publish(self.die.choice(WIRINGS))
        elif what < 0.48:
            self.retire()
        elif what < 0.62:
            self.adopt(self.die.choice(self.workers))
        elif what < 0.72:
            self._rebalance(self.die.choice([*active_stages(self.versions)]))
        elif what < 0.82:
            self._kill()
        elif what < 0.88:
            self._freeze()
        elif what < 0.94:
            self._thaw()
        else:
            self._start_bookkeeper()

    def calm(self) -> None:
        """No more disasters, and a drain: all comes to rest, and *drained* is said in time."""
        self.history.append(f"{self.now:.1f} calm")
        self.failing = 0.0
        while any(worker.frozen for worker in self.workers):
            self._thaw()
        self.drain()
        settled: float | None = None
        for _ in range(2_000):
            self.now += 0.2
            self.retire()
            for worker in self.workers:
                worker.follow(self.controls, len(self.controls))
                self.adopt(worker)
                for lane in list(worker.lanes):
                    for _ in range(8):
                        self._advance(worker, lane)
            for _ in range(12):
                self._advance_bookkeeper()
            self._complete(always=True)
            if settled is None and not self.in_flight():
                settled = self.now
            before = self.said
            for _ in range(12):
                self.judge()
            if self.faults or (self.said > before and settled is not None):
                return
            if settled is not None and self.now > settled + 10:
                self.faults.append(f"not drained for 10 s: {self._last}")
                return
        self.faults.append(f"in flight for ever: {self.in_flight()[:3]}")

    def judge(self) -> None:
        """Take one step of whoever asks whether the pipeline is drained."""
        if self.judging is None:
            self.judging = read_drain_state(Reader(self), PIPELINE)
        try:
            self.judging.send(None)
        except StopIteration as done:
            self.judging = None
            self._note(done.value)
        if self.drained is not None and self.die.random() < 0.2:
            self._check("after drained was said")

    _last: DrainState | None = None
    second_look: list[str] | None = None
    """What was in flight when the acknowledgements were read for the second time."""

    def _note(self, state: DrainState) -> None:
        self._last = state
        if state.state != "drained":
            return
        self.said += 1
        self.drained = state.generation
        if self.second_look is None:  # it was left out: so it is now that it must be true
            self.second_look = self.counted()
        if self.second_look:
            self.faults.append(f"at the second look: {self.second_look[:3]}")
        self._check("when drained was said")

    def _check(self, when: str) -> None:
        """Count anew, if the drain is still in force by all clocks."""
        clocks = [self.now + worker.skew for worker in self.workers]
        drains = [drain_in_force(self._documents(), PIPELINE, _time(at)) for at in clocks]
        if any(drain is None or drain.generation != self.drained for drain in drains):
            self.drained = None
        elif found := self.counted():
            self.faults.append(f"{when}: {found[:3]}")

    def counted(self) -> list[str]:
        """Return what is in flight; what is prepared counts as committed."""
        for tid in self.kafka.producers:
            self.kafka.complete(tid)
        return self.in_flight()

    # -- the count that the judgement is compared with

    def in_flight(self) -> list[str]:
        """Return what is unread, parked or begun by some stages alone, by the topics alone."""
        found = []
        roots = {v.events[name].topic for v in self.versions.values() for name in v.roots()}
        for place in list(self.kafka.logs):
            if place.topic.endswith(".retry"):
                rows = {r.key or b"": r.value for r in self.kafka.read_committed(place)}
                parked = [key for key in rows if key.startswith(PARKED_PREFIX) and rows[key]]
                found += [f"{key!r} is parked" for key in parked]
                continue
            types = {e.topic: (v, n) for v in self.versions.values() for n, e in v.events.items()}
            if place.topic not in types:
                continue
            for record in self.kafka.read_committed(place):
                headers = dict(record.headers)
                name = headers.get("ce_topologyversion", b"").decode().rpartition("@")[2]
                number = int(name) if name else self._owner(place, record.offset)
                version = self.versions[number]
                event_type = next(n for n, e in version.events.items() if e.topic == place.topic)
                readers = version.subscribers(event_type)
                done = [r for r in readers if self._offset(r, place) > record.offset]
                waits = not name and place.topic in roots and not done
                if len(done) < len(readers) and not waits:
                    left = [r for r in readers if r not in done]
                    found.append(f"{place}/{record.offset} of {version.name} unread by {left}")
        return found

    def _owner(self, place: Partition, offset: int) -> int:
        owners = [
            number
            for number, version in self.versions.items()
            for event in version.events.values()
            if event.topic == place.topic and event.boundaries[place.partition] <= offset
        ]
        return max(owners)

    def _offset(self, stage: str, place: Partition) -> int:
        group = NAMES.stage_group(PIPELINE, stage)
        return self.kafka.offsets.get((group, place), CommittedOffset(0)).offset

    # -- facts for the reader

    def _documents(self) -> list[TimedDocument]:
        rows: dict[bytes, TimedDocument] = {}
        for offset, (key, value, at) in enumerate(self.controls):
            rows.pop(key, None)
            if value is not None:
                rows[key] = TimedDocument(parse_control(value), _time(at), offset)
        return [*rows.values()]

    def lags(self, versions: Iterable[Version]) -> dict[str, list[InputLag]]:
        found: dict[str, dict[TopicPartition, str]] = {}
        for version in versions:
            for stage, spec in version.stages.items():
                for event_type in spec.subscribes:
                    for index in range(PARTITIONS):
                        tp = TopicPartition(version.events[event_type].topic, index)
                        found.setdefault(stage, {})[tp] = event_type
        return {
            stage: [
                InputLag(event_type, tp, self._offset(stage, Partition(*tp)),
                         len(self.kafka.log(Partition(*tp))))
                for tp, event_type in of.items()
            ]
            for stage, of in found.items()
        }  # fmt: skip

    def ledger_ends(self) -> dict[int, int]:
        places = [Partition(NAMES.ledger_topic, index) for index in range(LEDGER)]
        if self.without == "entries of open transactions":
            return {place.partition: self.kafka.last_stable_offset(place) for place in places}
        return {place.partition: len(self.kafka.log(place)) for place in places}

    def ledger_behind(self, ends: Mapping[int, int]) -> int:
        group, topic = NAMES.bookkeeper_group, NAMES.ledger_topic
        done = {i: self.kafka.offsets[group, Partition(topic, i)].offset for i in ends}
        return sum(max(0, end - done[i]) for i, end in ends.items())

    def rows(self) -> list[RunRow]:
        rows: dict[bytes | None, RunRow | None] = {}
        for index in range(LEDGER):
            for record in self.kafka.read_committed(Partition(NAMES.runs_topic, index)):
                rows[record.key] = parse_run_row(record.value)
        return [row for row in rows.values() if row is not None]

    # -- the group

    def _worker(self) -> Worker:
        worker = Worker(self.die.uniform(-self.skew, self.skew) / 2)
        worker.follow(self.controls, len(self.controls))
        return worker

    def adopt(self, worker: Worker) -> None:
        """A worker hears of the versions that there are."""
        if worker.frozen or worker.versions is self.versions:
            return
        before, after = active_stages(worker.versions), active_stages(self.versions)
        worker.versions = self.versions
        for stage in after:
            if stage not in before or before[stage].topics != after[stage].topics:
                self._rebalance(stage)

    def _rebalance(self, stage: str) -> None:
        """Every member ends its lanes, in good order or not; then they are given out anew."""
        self.generation += 1
        members = [w for w in self.workers if not w.frozen and stage in active_stages(w.versions)]
        if not members:
            return
        for worker in members:
            for lane in [each for each in worker.lanes if each.stage == stage]:
                lane.port.stopping = True
                for _ in range(self.die.choice([0, 60])):
                    if lane not in worker.lanes:
                        break
                    self._advance(worker, lane)
                if lane in worker.lanes:
                    worker.lanes.remove(lane)
                    lane.life.close()
        for index in range(PARTITIONS):
            self._hold(self.die.choice(members), stage, index)

    def _hold(self, worker: Worker, stage: str, index: int) -> None:
        tid = NAMES.lane_transactional_id(PIPELINE, stage, index)
        self.kafka.generations[tid] = self.generation
        active = active_stages(worker.versions)[stage]
        retry, state = NAMES.retry_topic(PIPELINE, stage), NAMES.state_topic(PIPELINE, stage)

        async def catch_up() -> None:
            await simulation_step("controls?")
            end = len(self.controls)
            await simulation_step("controls!")
            if self.without != "catching up at birth":
                worker.follow(self.controls, end)

        async def read_again() -> Mapping[int, Version]:
            await simulation_step("versions?")
            return self.versions

        def function(item: dict[str, int]) -> dict[str, int]:
            if self.chance.random() < self.failing:
                raise TimeoutError("not now")
            return item

        port = SimulatedPort(
            self.kafka,
            NAMES.stage_group(PIPELINE, stage),
            tid,
            [Partition(topic, index) for topic in active.topics],
            self.generation,
            most=self.die.choice([3, 100]),
            state=[Partition(topic, index) for topic in (retry, state)],
            catch_up=catch_up,
        )
        signature = read_signature(function)
        invoker = Invoker(
            PIPELINE, stage, active.stage, function, signature, None, float, lambda _: None
        )
        controls = ControlState(worker, PIPELINE, lambda: _time(self.now + worker.skew))
        work = make_lane_processor(
            invoker,
            index,
            worker.versions,
            read_again,
            NAMES,
            retry,
            state,
            on_committed=lambda _: None,
            parked_memory=ParkedMemory(),
            controls=controls.of_stage(stage),
            published=lambda: worker.versions,
            clock=lambda: self.now,
        )
        work._monotonic = lambda: 0.0
        assert work.drained is not None
        work.drained._clock = lambda: self.now  # type: ignore[attr-defined]
        life = run_lane(port, work, isolation=worker.lock, log=lambda *_, **__: None)
        life.send(None)
        worker.lanes.append(Lane(stage, port, life))

    def _kill(self) -> None:
        """kill -9, and a new worker in its place."""
        worker = self.die.choice(self.workers)
        if worker.frozen:
            return
        self.history.append(f"{self.now:.1f} kill")
        for lane in worker.lanes:
            lane.life.close()
        self.workers.remove(worker)
        fresh = self._worker()
        self.workers.append(fresh)
        for stage in sorted({lane.stage for lane in worker.lanes}):
            self._rebalance(stage)
        self.adopt(fresh)

    def _freeze(self) -> None:
        """SIGSTOP: the others take its lanes over, and it knows nothing of that."""
        worker = self.die.choice(self.workers)
        if worker.frozen or sum(not each.frozen for each in self.workers) < 2:
            return
        self.history.append(f"{self.now:.1f} freeze")
        worker.frozen = True
        for stage in sorted({lane.stage for lane in worker.lanes}):
            self._rebalance(stage)

    def _thaw(self) -> None:
        for worker in self.workers:
            if worker.frozen:
                self.history.append(f"{self.now:.1f} thaw")
                worker.frozen = False
                for _ in range(self.die.randrange(30)):
                    if worker.lanes:
                        self._advance(worker, self.die.choice(worker.lanes))
                for lane in worker.lanes:
                    lane.life.close()
                worker.lanes.clear()
                for stage in active_stages(worker.versions):
                    self._rebalance(stage)
                self.adopt(worker)
                return

    def _advance_any(self) -> None:
        lanes = [(w, lane) for w in self.workers if not w.frozen for lane in w.lanes]
        if lanes:
            worker, lane = self.die.choice(lanes)
            for _ in range(self.die.randint(1, 10)):
                if lane in worker.lanes:
                    self._advance(worker, lane)

    def _advance(self, worker: Worker, lane: Lane) -> None:
        try:
            lane.life.send(None)
        except (StopIteration, LaneStoppedError):
            if lane in worker.lanes:
                worker.lanes.remove(lane)

    def _complete(self, *, always: bool = False) -> None:
        for tid in self.kafka.producers:
            if always or self.die.random() < 0.6:
                self.kafka.complete(tid)

    def _start_bookkeeper(self) -> None:
        """A bookkeeper takes over from one that was killed."""
        for life in self.bookkeeper:
            life.close()
        self.generation += 1
        self.bookkeeper = []
        group = NAMES.bookkeeper_group
        for index in range(LEDGER):
            work = BookkeeperLane(
                NAMES, index, "here", clock=lambda: int(self.now * 1000), read_age=lambda: None
            )
            state = [Partition(t, index) for t in (NAMES.runs_topic, NAMES.bookkeeper_state_topic)]
            port = SimulatedPort(
                self.kafka,
                group,
                f"{group}:{index}",
                [Partition(NAMES.ledger_topic, index)],
                self.generation,
                state=state,
            )
            self.kafka.generations[f"{group}:{index}"] = self.generation
            life = run_lane(port, work, isolation=SimulatedLock(), log=lambda *_, **__: None)
            self.bookkeeper.append(life)

    def _advance_bookkeeper(self) -> None:
        life = self.die.choice(self.bookkeeper)
        for _ in range(self.die.randint(1, 10)):
            life.send(None)


class Reader:
    """`farandole.operations.drain.drain_state.DrainReader` over a world. What it asks takes time:
    anything can happen between two questions, and between the parts of one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kafka = world.kafka
        self._early_rows: list[RunRow] = []
        self._looks = 0
        world.second_look = None

    async def drain(self) -> DrainInForce | None:
        await simulation_step("drain?")
        self._early_rows = self._world.rows()
        now = _time(self._world.now + self._world.judge_skew)
        return drain_in_force(self._world._documents(), PIPELINE, now)

    async def versions(self) -> Sequence[Version]:
        await simulation_step("versions?")
        return [version for _, version in sorted(self._world.versions.items())]

    async def lags(self, versions: Sequence[Version]) -> LagByStage:
        active = active_stages({version.version: version for version in versions})
        ends = self._world.lags(versions)
        await simulation_step("ends")
        found = {}
        for stage in active:
            offsets = self._world.lags(versions)
            found[stage] = [
                InputLag(each.event_type, each.partition, now.committed, each.end)
                for each, now in zip(ends[stage], offsets[stage], strict=True)
            ]
            await simulation_step("offsets")
        return found

    async def acknowledgements(
        self, stages: Iterable[str]
    ) -> Mapping[str, Mapping[int, Acknowledgement]]:
        found: dict[str, dict[int, Acknowledgement]] = {}
        self._looks += 1
        if self._looks == 2:
            self._world.second_look = self._world.counted()
        for stage in stages:
            await simulation_step("acknowledged?")
            for index in range(PARTITIONS):
                rows = await self._table(Partition(NAMES.state_topic(PIPELINE, stage), index))
                read = parse_acknowledgement(rows.get(ACKNOWLEDGEMENT_KEY))
                if read is not None:
                    found.setdefault(stage, {})[index] = read
        return found

    async def _table(self, place: Partition) -> dict[bytes, bytes]:
        """As `read_table`: up to the end, also of transactions that have not ended."""
        end = len(self._kafka.log(place))
        while self._kafka.last_stable_offset(place) < end:
            await simulation_step("undecided")
        rows: dict[bytes, bytes] = {}
        for record in self._kafka.read_committed(place):
            rows.pop(record.key or b"", None)
            if record.value is not None:
                rows[record.key or b""] = record.value
        return rows

    async def takers(self, stage: str, *, external: bool) -> int:
        await simulation_step("members?")
        return 1

    async def unread(self, versions: Sequence[Version], lags: LagByStage) -> Mapping[str, int]:
        index = VersionIndex(versions)
        found: dict[str, int] = {}
        for stage, of_stage in lags.items():
            for each in of_stage:
                place = Partition(*each.partition)
                for record in self._kafka.read_committed(place):
                    owner = index.owner_of(record)
                    reads = owner is not None and stage in owner.version.subscribers(
                        owner.event_type
                    )
                    if each.position <= record.offset < each.end and reads:
                        found[stage] = found.get(stage, 0) + 1
        return {} if self._world.without == "unread events" else found

    async def events_behind_roots(
        self, versions: Sequence[Version], lags: LagByStage
    ) -> Mapping[str, int]:
        index = VersionIndex(versions)
        found: dict[str, int] = {}
        for stage, of_stage in lags.items():
            for each in of_stage:
                records = self._kafka.read_committed(Partition(*each.partition), each.position)
                owners = [index.owner_of(record) for record in records]
                emitted = sum(owner is not None and owner.stage is not None for owner in owners)
                if emitted:
                    found[stage] = found.get(stage, 0) + emitted
        return found

    async def parked(self, stages: Iterable[str]) -> Mapping[str, ParkedEvents]:
        found = {}
        for stage in stages:
            number = 0
            for index in range(PARTITIONS):
                rows = await self._table(Partition(NAMES.retry_topic(PIPELINE, stage), index))
                number += sum(key.startswith(PARKED_PREFIX) for key in rows)
            if number:
                found[stage] = ParkedEvents(number)
        return {} if self._world.without == "parked events" else found

    async def ledger_ends(self) -> Mapping[int, int]:
        await simulation_step("ledger?")
        return self._world.ledger_ends()

    async def ledger_behind(self, ends: Mapping[int, int]) -> int:
        await simulation_step("bookkeeper?")
        return 0 if self._world.without == "ledger lag" else self._world.ledger_behind(ends)

    async def bookkeepers(self) -> int:
        await simulation_step("bookkeepers?")
        return 1

    async def wait(self) -> None:
        for _ in range(8):
            await simulation_step("wait")

    async def runs_in_flight(self) -> Sequence[RunRow]:
        for index in range(LEDGER):
            await self._table(Partition(NAMES.runs_topic, index))
        await simulation_step("rows?")
        rows = self._early_rows if self._world.without == "rows last" else self._world.rows()
        return [row for row in rows if any(in_flight(e) > 0 for e in row["edges"].values())]

    async def obstacles(self, stages: Collection[str]) -> Sequence[Reason]:
        return []


def _version(
    number: int, wiring: Wiring, kafka: SimulatedKafka, earlier: Sequence[Version]
) -> Version:
    known = {event.topic for version in earlier for event in version.events.values()}
    types = dict.fromkeys(t for reads, emits in wiring.values() for t in (*reads, *emits))
    events = {}
    for name in types:
        topic = NAMES.event_topic(PIPELINE, name)
        ends = tuple(len(kafka.log(Partition(topic, i))) for i in range(PARTITIONS))
        boundaries = ends if topic in known else (0,) * PARTITIONS
        events[name] = EventSpec(topic=topic, partitions=PARTITIONS, boundaries=boundaries)

    def own(name: Callable[[str, str], str], stage: str) -> StageTopic:
        return StageTopic(topic=name(PIPELINE, stage), partitions=PARTITIONS)

    return Version(
        pipeline=PIPELINE,
        version=number,
        installation=INSTALLATION,
        published=WHEN,
        published_by="a test",
        events=events,
        stages={
            name: StageSpec(
                run="m:f",
                subscribes=reads,
                emits=emits,
                retry=RETRY,
                parking=own(NAMES.retry_topic, name),
                state=own(NAMES.state_topic, name),
            )
            for name, (reads, emits) in wiring.items()
        },
        ledger=LEDGER,
        format=VERSION_FORMAT,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
