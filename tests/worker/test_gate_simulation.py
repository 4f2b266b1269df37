"""Does a gate pass nothing before its verdict, and everything after it, whatever dies when?

The lanes, the handling, the retries, the profiles and the books are the real ones, over
`farandole.lanes.simulated_kafka`. What is upstream of the gate is counted anew from the topics."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from farandole.events.check_spec import CheckSpec
from farandole.events.event_position import EventPosition
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.run_row import RunRow, parse_run_row
from farandole.events.topology_version import (
    QUALITY_FORMAT,
    EventSpec,
    RetryPolicy,
    StageSpec,
    StageTopic,
    Version,
)
from farandole.lanes.lane_port import CommittedOffset, LaneStoppedError
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedLock, SimulatedPort
from farandole.ledger import run_gates
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.stages.contract import Reject
from farandole.stages.function_signature import read_signature
from farandole.worker.control_state import ControlState
from farandole.worker.input_edge import InputEdge
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import make_lane_processor
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.run_gate import RunGate
from tests.seeds import seeds

PIPELINE = "gated"
NAMES = KafkaNames()
PARTITIONS = 2
WIRING = {
    "split": (("asked",), ("item",)),
    "check": (("item",), ("good",)),
    "load": (("good",), ("loaded",)),
}
UPSTREAM, GATED = ("split", "check"), "load"
FEW = 5
"""A run of more items fails its checks."""
RUNS = 6
RETRY = RetryPolicy(attempts=3, backoff=1, jitter=0, in_place=0, parked=50)
Life = Coroutine[Any, BaseException | None, Any]
Item = dict[str, int]


def topic(event_type: str) -> str:
    return NAMES.event_topic(PIPELINE, event_type)


def _version() -> Version:
    few = {"few": CheckSpec(rule="rows", max=FEW, severity="gate")}
    return Version(
        pipeline=PIPELINE, version=1, published=datetime(2026, 11, 24, tzinfo=UTC), published_by="",
        installation=UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11"), ledger=1, format=QUALITY_FORMAT,
        events={
            name: EventSpec(
                topic=topic(name), partitions=PARTITIONS, boundaries=(0,) * PARTITIONS,
                key=None if name == "asked" else "n",
                checks=few if name in ("item", "good") else {},
            )
            for name in ("asked", "item", "good", "loaded")
        },
        stages={
            name: StageSpec(
                run="m:f", subscribes=subscribes, emits=emits, retry=RETRY, gate=name == GATED,
                parking=StageTopic(topic=NAMES.retry_topic(PIPELINE, name), partitions=PARTITIONS),
                state=StageTopic(topic=NAMES.state_topic(PIPELINE, name), partitions=PARTITIONS),
            )
            for name, (subscribes, emits) in WIRING.items()
        },
    )  # fmt: skip


@dataclass(eq=False)
class Lane:
    stage: str
    port: SimulatedPort
    life: Life


@dataclass(eq=False)
class Worker:
    """One process; it has read `farandole.gates` up to a certain offset."""

    gates: Mapping[bytes, bytes] = field(default_factory=dict)
    read: int = 0
    frozen: bool = False
    lock: SimulatedLock = field(default_factory=SimulatedLock)
    lanes: list[Lane] = field(default_factory=list)

    def follow(self, records: Sequence[Record]) -> None:
        rows = dict(self.gates)
        for record in records[self.read :]:
            rows.pop(record.key or b"", None)
            if record.value is not None:
                rows[record.key or b""] = record.value
        self.gates, self.read = rows, len(records)


@dataclass(repr=False)
class World:
    """Two workers, a bookkeeper that is away now and then, people who decide, and a die."""

    die: random.Random
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    version: Version = field(default_factory=_version)
    now: float = 1_700_000_000.0
    failing: float = 0.2
    given: int = 0
    generation: int = 0
    workers: list[Worker] = field(default_factory=list)
    bookkeeper: Life | None = None
    released: frozenset[bytes] = frozenset()
    cancelled: frozenset[bytes] = frozenset()
    entered: dict[bytes, tuple[int, bool]] = field(default_factory=dict)
    """By run, how much of it was worked upstream when its first event was seen behind the gate, and
    whether the gate had been open to it."""
    seen: int = 0

    def __post_init__(self) -> None:
        self.kafka.clock = lambda: int(self.now * 1000)
        self.chance = random.Random(self.die.getrandbits(32))
        self.kafka.offsets[NAMES.bookkeeper_group, Partition(NAMES.ledger_topic, 0)] = (
            CommittedOffset(0)
        )
        for stage in WIRING:
            for index in range(PARTITIONS):
                for place in self._inputs(stage, index):
                    group = NAMES.stage_group(PIPELINE, stage)
                    self.kafka.offsets[group, place] = CommittedOffset(0)
        self.workers = [Worker(), Worker()]
        for stage in WIRING:
            self._rebalance(stage)

    # -- what happens

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.now += self.die.random() * 0.06
            what = self.die.random()
            if what < 0.03 and self.given < RUNS:
                self._give()
            elif what < 0.06:
                self._disaster()
            elif what < 0.10:
                worker = self.die.choice(self.workers)
                worker.follow(self._gate_records())
            elif what < 0.25:
                self._keep_books()
            elif what < 0.26:
                self._decide()
            elif what < 0.34:
                self._complete()
            else:
                self._advance_any()
            self._watch()

    def calm(self) -> list[str]:
        """No more disasters, and now and then somebody lets a run in that is shut out: return
        which runs wait all the same."""
        self.failing = 0.0
        while self.given < RUNS:
            self._give()
        while any(worker.frozen for worker in self.workers):
            self._thaw()
        for round_ in range(400):
            self.now += 0.2
            self._start_bookkeeper(only_if_away=True)
            for worker in self.workers:
                worker.follow(self._gate_records())
                for lane in list(worker.lanes):
                    for _ in range(8):
                        self._advance(worker, lane)
            for stage in WIRING:
                if len([n for w in self.workers for n in w.lanes if n.stage == stage]) < PARTITIONS:
                    self._rebalance(stage)
            for _ in range(12):
                self._keep_books()
            self._complete(always=True)
            self._watch()
            rows = self.rows()
            waiting = [row for row in rows if row["closed"] is None]
            if len(rows) == RUNS and not waiting:
                return []
            shut = self._shut(waiting)
            if round_ % 10 == 9 and shut:
                self.released |= {shut[0]["run"].encode()}
        return [f"{row['run']} waits for ever: {row.get('gates')}" for row in waiting]

    def _shut(self, rows: Sequence[RunRow]) -> list[RunRow]:
        decided = self.released | self.cancelled
        return [
            row
            for row in rows
            if GATED in (gates := row.get("gates", {}))
            and gates[GATED]["state"] == "failed"
            and row["run"].encode() not in decided
        ]

    def _give(self) -> None:
        value = orjson.dumps({"items": self.die.randint(1, 2 * FEW)})
        place = Partition(topic("asked"), self.die.randrange(PARTITIONS))
        self.kafka.append(place, OutgoingRecord(None, value), int(self.now * 1000))
        self.given += 1

    def _decide(self) -> None:
        """Somebody lets a run in whose checks have failed, or cancels it."""
        if shut := self._shut(self.rows()):
            run = self.die.choice(shut)["run"].encode()
            if self.die.random() < 0.5:
                self.released |= {run}
            else:
                self.cancelled |= {run}

    def _disaster(self) -> None:
        what = self.die.random()
        if what < 0.3:
            self._rebalance(self.die.choice([*WIRING]))
        elif what < 0.5:
            self._kill()
        elif what < 0.6:
            self._freeze()
        elif what < 0.7:
            self._thaw()
        elif what < 0.85:
            self._start_bookkeeper()
        elif self.bookkeeper is not None:
            self.bookkeeper.close()
            self.bookkeeper = None

    # -- what stands in the topics

    def committed(self, name: str) -> list[Record]:
        places = [Partition(name, index) for index in range(PARTITIONS)]
        return [record for place in places for record in self.kafka.read_committed(place)]

    def rows(self) -> list[RunRow]:
        found = self.kafka.read_committed(Partition(NAMES.runs_topic, 0))
        rows = {record.key: parse_run_row(record.value) for record in found}
        return [row for row in rows.values() if row is not None]

    def letters(self, run: bytes) -> int:
        """The dead letters of a run upstream of the gate."""
        return sum(
            dict(letter.headers).get("ce_runid") == run  # a root has none
            for stage in UPSTREAM
            for letter in self.kafka.read_committed(Partition(NAMES.dead_topic(PIPELINE, stage), 0))
        )

    def worked(self, run: bytes) -> int:
        """How much of a run has come to an end upstream."""
        return sum(run_of(e) == run for e in self.committed(topic("good"))) + self.letters(run)

    def _gate_records(self) -> Sequence[Record]:
        return self.kafka.read_committed(Partition(NAMES.gates_topic, 0))

    def _watch(self) -> None:
        """Note what is known when the first event of a run is behind the gate."""
        places = [Partition(topic("loaded"), index) for index in range(PARTITIONS)]
        seen = sum(map(self.kafka.last_stable_offset, places))
        if seen == self.seen:
            return
        self.seen, loaded = seen, self.committed(topic("loaded"))
        opened = {(r.key or b"").rpartition(b"/")[2] for r in self._gate_records() if r.value}
        for run in {run_of(event) for event in loaded} - self.entered.keys():
            self.entered[run] = self.worked(run), run in opened

    # -- the processes

    def _inputs(self, stage: str, index: int) -> list[Partition]:
        subscribed = map(topic, WIRING[stage][0])
        return [Partition(t, index) for t in (*subscribed, NAMES.retry_topic(PIPELINE, stage))]

    def _rebalance(self, stage: str) -> None:
        """Every member ends its lanes, in good order or not; then they are given out anew."""
        self.generation += 1
        members = [worker for worker in self.workers if not worker.frozen]
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
        spec = self.version.stages[stage]
        assert spec.parking is not None
        assert spec.state is not None
        function = {"split": self._split, "check": self._check, "load": self._load}[stage]
        controls = ControlState(None, PIPELINE).of_stage(stage)
        controls.released_runs = lambda: self.released  # type: ignore[method-assign]
        controls.cancelled_runs = lambda: self.cancelled  # type: ignore[method-assign]

        async def read_again() -> Mapping[int, Version]:
            return {1: self.version}

        port = SimulatedPort(
            self.kafka,
            NAMES.stage_group(PIPELINE, stage),
            tid,
            self._inputs(stage, index),
            self.generation,
            most=self.die.choice([3, 100]),
            state=[Partition(each.topic, index) for each in (spec.parking, spec.state)],
        )
        invoker = Invoker(
            PIPELINE, stage, spec, function, read_signature(function), None, float, lambda _: None
        )
        work = make_lane_processor(
            invoker,
            index,
            {1: self.version},
            read_again,
            NAMES,
            spec.parking.topic,
            spec.state.topic,
            on_committed=lambda _: None,
            parked_memory=ParkedMemory(),
            controls=controls,
            gates=lambda: worker.gates,
            clock=lambda: self.now,
        )
        work._monotonic = lambda: 0.0
        life = run_lane(port, work, isolation=worker.lock, log=lambda *_, **__: None)
        life.send(None)
        worker.lanes.append(Lane(stage, port, life))

    def _split(self, asked: Item) -> Iterator[Item]:
        if self.chance.random() < self.failing:
            raise TimeoutError("not now")
        for n in range(asked["items"]):
            yield {"n": n}

    def _check(self, item: Item) -> Item:
        if self.chance.random() < self.failing:
            raise TimeoutError("not now")
        if self.chance.random() < 0.1:
            raise Reject("it is bad")
        return item

    def _load(self, item: Item) -> Item:
        return item

    def _kill(self) -> None:
        """kill -9, and a new worker in its place."""
        worker = self.die.choice(self.workers)
        for lane in worker.lanes:
            lane.life.close()
        self.workers[self.workers.index(worker)] = Worker()
        for stage in sorted({lane.stage for lane in worker.lanes}):
            self._rebalance(stage)

    def _freeze(self) -> None:
        """SIGSTOP: the other takes its lanes over, and it knows nothing of that."""
        if any(worker.frozen for worker in self.workers):
            return
        worker = self.die.choice(self.workers)
        worker.frozen = True
        for stage in sorted({lane.stage for lane in worker.lanes}):
            self._rebalance(stage)

    def _thaw(self) -> None:
        for worker in self.workers:
            if worker.frozen:
                worker.frozen = False
                for _ in range(self.die.randrange(30)):
                    if worker.lanes:
                        self._advance(worker, self.die.choice(worker.lanes))
                for lane in worker.lanes:
                    lane.life.close()
                worker.lanes.clear()
                for stage in WIRING:
                    self._rebalance(stage)

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

    def _start_bookkeeper(self, *, only_if_away: bool = False) -> None:
        """A bookkeeper takes over from one that was killed."""
        if self.bookkeeper is not None:
            if only_if_away:
                return
            self.bookkeeper.close()
        self.generation += 1
        group = NAMES.bookkeeper_group
        self.kafka.generations[f"{group}:0"] = self.generation
        work = BookkeeperLane(
            NAMES, 0, "here", clock=lambda: int(self.now * 1000), read_age=lambda: None,
            version_of=lambda *_: self.version,
        )  # fmt: skip
        port = SimulatedPort(
            self.kafka, group, f"{group}:0", [Partition(NAMES.ledger_topic, 0)], self.generation,
            state=[Partition(t, 0) for t in (NAMES.runs_topic, NAMES.bookkeeper_state_topic)],
        )  # fmt: skip
        self.bookkeeper = run_lane(port, work, isolation=SimulatedLock(), log=lambda *_, **__: None)

    def _keep_books(self) -> None:
        for _ in range(self.die.randint(1, 10)):
            if self.bookkeeper is not None:
                self.bookkeeper.send(None)


def run_of(record: Record) -> bytes:
    return dict(record.headers)["ce_runid"]


def lived(seed: int) -> list[str]:
    """Return what has gone wrong."""
    world = World(random.Random(seed))
    world.live(1_500)
    faults = world.calm()
    return faults or [*_faults(world)]


def _faults(world: World) -> Iterator[str]:
    items = Counter(run_of(event) for event in world.committed(topic("item")))
    for run, (worked, was_open) in world.entered.items():
        if run in world.released:
            continue
        if worked != world.worked(run):
            yield f"{run!r} entered when {worked} of {world.worked(run)} were worked upstream"
        if not was_open:
            yield f"{run!r} entered, and no gate was open to it"
        if items[run] > FEW and run not in world.cancelled:
            yield f"{run!r} entered with {items[run]} items, and nobody has let it in"
    good = Counter(run_of(e) for e in world.committed(topic("good")))
    loaded = Counter(run_of(e) for e in world.committed(topic("loaded")))
    wanted = {run: count for run, count in good.items() if run not in world.cancelled}
    if {run: loaded[run] for run in wanted} != wanted:
        yield f"of {wanted} were loaded {loaded}"
    yield from _disorder(world.committed(topic("loaded")))


def _disorder(loaded: Collection[Record]) -> Iterator[str]:
    """Yield the events that stand behind one that came later to the gate."""
    last: dict[tuple[int, int], int] = {}
    for event in loaded:
        cause = EventPosition.parse(dict(event.headers)["ce_id"].decode())
        path = event.partition, cause.partition
        if cause.offset <= last.get(path, -1):
            yield f"{cause} stands behind {last[path]}"
        last[path] = cause.offset


@seeds(100, kept=10)
def test_a_gate_passes_nothing_before_its_verdict_and_locks_nobody_out(seeds: range) -> None:
    for seed in seeds:
        assert lived(seed) == [], seed


def _lets_all_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunGate, "keeps_out", lambda *_: False)


def _opens_at_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_gates, "edges_balance", bool)


def _never_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, kept = RunGate.keeps_out, dict[bytes, bool]()

    def keeps_out(gate: RunGate, edge: InputEdge, run: bytes) -> bool:
        return kept.setdefault(run, real(gate, edge, run))

    monkeypatch.setattr(RunGate, "keeps_out", keeps_out)


@pytest.mark.parametrize("broken", [_lets_all_in, _opens_at_the_first_look, _never_looks_again])
def test_a_gate_that_is_broken_on_purpose_is_caught(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    assert any(map(lived, range(12)))
