"""Which disasters befall two workers that share a stage, and in which order?"""

from __future__ import annotations

import random
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.lane_port import (
    CommittedOffset,
    LanePort,
    LaneStoppedError,
    OutcomeUnknownError,
    PlacedOffsets,
    StateTables,
)
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult, LaneWork
from farandole.lanes.simulated_kafka import (
    CutOffCoordinator,
    SimulatedKafka,
    SimulatedLock,
    SimulatedPort,
)

GROUP = "pipeline.stage"
LANES = 2


def source(index: int) -> Partition:
    return Partition("in", index)


def target(index: int) -> Partition:
    return Partition("out", index)


def dead(index: int) -> Partition:
    return Partition("dead", index)


def state(index: int) -> Partition:
    return Partition("state", index)


@dataclass
class Doubling:
    """A stage that emits two events for each and numbers its inputs, which takes state; at most
    `fits` of its inputs fit one transaction."""

    index: int
    given_up: list[bytes]
    fits: int = 2
    handled: int = 0

    @property
    def deferred(self) -> None:
        return None

    @property
    def drained(self) -> None:
        return None

    @property
    def throttle(self) -> None:
        return None

    @property
    def timed(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        self.handled = int(tables["state"].get(b"handled", b"0"))

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        records = records[: self.fits]
        out = []
        for record in records:
            self.handled += 1
            out += [doubled(record.value, suffix, self.handled) for suffix in (b"a", b"b")]
        kept = OutgoingRecord(b"handled", b"%d" % self.handled)
        return BatchResult(len(records), {target(self.index): out, state(self.index): [kept]})

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        assert record.value is not None
        self.given_up.append(record.value)
        return BatchResult(1, {dead(self.index): [OutgoingRecord(None, record.value)]})

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None


def doubled(value: bytes | None, suffix: bytes, number: int) -> OutgoingRecord:
    return OutgoingRecord(None, b"%s%s %d" % (value, suffix, number))


@dataclass
class Lane:
    index: int
    port: SimulatedPort
    life: Coroutine[str, BaseException | None, None]


@dataclass
class Worker:
    number: int
    frozen: bool = False
    cut_off: CutOffCoordinator | None = None
    """What answers this worker in place of the group's coordinator."""
    wants_rejoin: bool = False
    lock: SimulatedLock = field(default_factory=SimulatedLock)
    lanes: list[Lane] = field(default_factory=list)


@dataclass
class World:
    """Two lanes, some workers, and a die that decides what comes next.

    `broken` wraps each port: how a test breaks the lane on purpose.
    """

    die: random.Random
    broken: Callable[[SimulatedPort], LanePort] = lambda port: port
    deaths: bool = True
    """Processes are killed and frozen; without, every disaster leaves the process in good order."""
    unanswered: float = 0.02
    """The share of calls whose answer is lost."""
    rebalances: bool = True
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    workers: list[Worker] = field(default_factory=list)
    owners: dict[int, Worker] = field(default_factory=dict)
    given_up: list[bytes] = field(default_factory=list)
    generation: int = 0
    born: int = 0
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for index in range(LANES):
            for place in self.inputs(index):
                self.kafka.offsets[GROUP, place] = CommittedOffset(0)
        for _ in range(2):
            self._start()
        self._rebalance(abandon=True)

    def run(self, steps: int, events: int) -> None:
        """Disasters for `steps`, with `events` arriving meanwhile; then calm until all is done."""
        arriving = [(self.die.randrange(LANES), n) for n in range(events)]
        for _ in range(steps):
            if arriving and self.die.random() < 0.15:
                index, n = arriving.pop()
                self.kafka.append(source(index), OutgoingRecord(None, b"%d" % n))
            self._disaster() if self.die.random() < 0.12 else self._step()
        for index, n in arriving:
            self.kafka.append(source(index), OutgoingRecord(None, b"%d" % n))
        self._calm()

    def results(self, index: int) -> list[bytes]:
        return [r.value or b"" for r in self.kafka.read_committed(target(index))]

    def expected(self, index: int) -> list[bytes]:
        """In the order of the input, but for what was given up."""
        inputs = [r.value for r in self.kafka.read_committed(source(index))]
        handled = [value for value in inputs if value not in self.dead(index)]
        return [
            doubled(value, suffix, number).value or b""
            for number, value in enumerate(handled, 1)
            for suffix in (b"a", b"b")
        ]

    def dead(self, index: int) -> list[bytes]:
        return [r.value or b"" for r in self.kafka.read_committed(dead(index))]

    # -- what its lanes are

    def inputs(self, index: int) -> list[Partition]:
        return [source(index)]

    def state(self, index: int) -> list[Partition]:
        return [state(index)]

    def work(self, index: int) -> LaneWork:
        return Doubling(index, self.given_up)

    def is_paused(self) -> bool:
        return False

    # -- what can happen

    def _step(self) -> None:
        running = [(w, lane) for w in self.workers if not w.frozen for lane in w.lanes]
        if running:
            worker, lane = self.die.choice(running)
            answer = OutcomeUnknownError("lost") if self.die.random() < self.unanswered else None
            self._advance(worker, lane, answer)

    def _advance(self, worker: Worker, lane: Lane, answer: BaseException | None = None) -> None:
        try:
            label = lane.life.send(None)
            self.history.append(f"{worker.number}:{lane.index} {label}")
            if answer is not None:
                self.history.append(f"{worker.number}:{lane.index} no answer")
                lane.life.throw(answer)
        except (StopIteration, LaneStoppedError):
            if lane in worker.lanes:
                worker.lanes.remove(lane)
                worker.wants_rejoin |= lane.port.has_withdrawn

    def _disaster(self) -> None:
        choices = [self._complete]
        if self.rebalances:
            choices += [
                self._rebalance_softly,
                self._cut_off,
                self._heal,
                self._mislead,
                self._rejoin,
            ]
        if self.deaths:
            choices += [self._freeze, self._thaw, self._kill, self._expire]
        self.die.choice(choices)()

    def _freeze(self) -> None:
        """SIGSTOP; the session runs out, and the others take over."""
        worker = self.die.choice(self.workers)
        if worker.frozen or not [w for w in self._members() if w is not worker]:
            return
        self.history.append(f"freeze {worker.number}")
        worker.frozen = True
        if self.die.random() < 0.8:
            self._rebalance(abandon=False)

    def _thaw(self) -> None:
        for worker in self.workers:
            if worker.frozen:
                self.history.append(f"thaw {worker.number}")
                worker.frozen = False
                # Its lanes go on for a while before a heartbeat tells it that it was expelled.
                for _ in range(self.die.randrange(12)):
                    if worker.lanes:
                        self._advance(worker, self.die.choice(worker.lanes))
                self._rebalance(abandon=self.die.random() < 0.5)
                return

    def _kill(self) -> None:
        """kill -9, and a new worker in its place."""
        worker = self.die.choice(self.workers)
        self.history.append(f"kill {worker.number}")
        for lane in worker.lanes:
            lane.life.close()
        self.workers.remove(worker)
        self._start()
        self._rebalance(abandon=False)

    def _cut_off(self) -> None:
        """The coordinator is cut off from the other brokers, but not from one of the workers: the
        group goes on elsewhere, without that worker."""
        worker = self.die.choice(self.workers)
        if worker.frozen or len(self._members()) < 2 or worker.cut_off is not None:
            return
        self.history.append(f"the coordinator of {worker.number} is cut off")
        worker.cut_off = self.kafka.cut_off()
        for lane in worker.lanes:
            lane.port.cut_off = worker.cut_off
        self._rebalance(abandon=False)

    def _heal(self) -> None:
        for worker in self.workers:
            if worker.cut_off is not None and not worker.frozen:
                self.history.append(f"the coordinator of {worker.number} is back")
                worker.cut_off = None
                for lane in worker.lanes:
                    lane.port.cut_off = None
                self._rebalance_softly()
                return

    def _mislead(self) -> None:
        """A lane's producer asks a broker that was cut off, and has not heard of the member."""
        lanes = [lane for worker in self.workers for lane in worker.lanes]
        if lanes:
            self.die.choice(lanes).port.is_misled = True

    def _rejoin(self) -> None:
        for worker in self._members():
            if worker.wants_rejoin:
                self._rebalance_softly()
                return

    def _expire(self) -> None:
        tid = self.die.choice(list(self.kafka.producers) or [""])
        if tid:
            self.history.append(f"transaction of {tid} expires")
            self.kafka.expire(tid)

    def _complete(self) -> None:
        for tid in self.kafka.producers:
            if self.die.random() < 0.7:
                self.kafka.complete(tid)

    def _rebalance_softly(self) -> None:
        self._rebalance(abandon=self.deaths and self.die.random() < 0.3)

    # -- the group

    def _start(self) -> None:
        self.born += 1
        self.workers.append(Worker(self.born))

    def _members(self) -> list[Worker]:
        return [w for w in self.workers if not w.frozen and w.cut_off is None]

    def _rebalance(self, *, abandon: bool) -> None:
        """Eager: every member ends all its lanes, then gets what is assigned, often the same."""
        self.generation += 1
        members = self._members()
        self.history.append(f"rebalance among {[w.number for w in members]}")
        for worker in members:
            for lane in list(worker.lanes):
                lane.port.stopping = True
                for _ in range(0 if abandon else 60):
                    if lane not in worker.lanes:
                        break
                    self._advance(worker, lane)
                self._abandon(worker, lane)
            worker.lanes.clear()
            worker.wants_rejoin = False
        for index in range(LANES):
            self._hold(self.die.choice(members), index)

    def _abandon(self, worker: Worker, lane: Lane) -> None:
        """Past its patience: cancelled, with a moment to end in good order."""
        if lane not in worker.lanes:
            return
        try:
            lane.life.throw(CancelledError())
        except (StopIteration, CancelledError):
            return
        for _ in range(20):
            try:
                lane.life.send(None)
            except (StopIteration, CancelledError):
                return
        lane.life.close()

    def _hold(self, worker: Worker, index: int) -> None:
        tid = f"{GROUP}:{index}"
        self.kafka.generations[tid] = self.generation
        port = SimulatedPort(
            self.kafka, GROUP, tid, self.inputs(index), self.generation, state=self.state(index)
        )
        port.is_paused = self.is_paused
        life = run_lane(self.broken(port), self.work(index), isolation=worker.lock, log=self._log)
        life.send(None)  # up to its first step
        worker.lanes.append(Lane(index, port, life))

    def _log(self, event: str, **fields: Any) -> None:
        self.history.append(f"{event} {fields}")

    def _calm(self) -> None:
        self.history.append("calm")
        if len(self._members()) < len(self.workers):
            for worker in self.workers:
                worker.frozen, worker.cut_off = False, None
                for lane in worker.lanes:
                    lane.port.cut_off = None
            self._rebalance(abandon=False)  # it comes back to its group; else no rebalance comes
        for _ in range(6000):
            for worker in self.workers:
                for lane in list(worker.lanes):
                    self._advance(worker, lane)
            self._rejoin()
            for tid in self.kafka.producers:
                self.kafka.complete(tid)
            if self._settled():
                return
        raise AssertionError("silent: not all was settled although nothing stood in the way")

    def _settled(self) -> bool:
        return all(
            self.kafka.offsets[GROUP, place].offset >= len(self.kafka.log(place))
            for i in range(LANES)
            for place in self.inputs(i)
        ) and all(p.transaction is None for p in self.kafka.producers.values())
