"""How does a pipeline run in memory, and when is it at rest?

The lanes are those of a worker and of the bookkeeper, each with the lane protocol over
`farandole.lanes.simulated_kafka`. They run in one event loop, whose clock jumps where all of them
wait. Only what is between the lanes and Kafka is ours: no network, no group, no failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from farandole.catalog.active_stages import ActiveStage, hosted_stages
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import CommittedOffset
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import LaneWork
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedPort
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.function_questions import FunctionQuestion
from farandole.quality.checks.function_answers import FunctionAnswer
from farandole.stages.function_loader import StageFunction
from farandole.testing.memory_candidates import memory_candidates
from farandole.testing.memory_controls import MemoryControls
from farandole.testing.memory_limits import MemoryStageLimits
from farandole.testing.virtual_time import VirtualClock
from farandole.worker.candidates.stage_candidates import StageCandidates
from farandole.worker.dependency_limits.process_limits import ProcessLimits, StageLimits
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import make_lane_processor
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.stage_controls import StageControls
from farandole.worker.throttle.share_table import ShareTable

RECORDS_A_FETCH = 1_000
"""How many records of a partition a lane gets at once, and so a function of a list."""
_RESTART_SECONDS = 1.0  # before a lane that has failed opens again


_THROTTLED_SECONDS = 1.0  # after which a lane at the rate 0 asks for its rate again


async def _call_here(questions: Sequence[FunctionQuestion]) -> Sequence[FunctionAnswer]:
    from farandole.ledger.function_call import call_here  # on demand: numpy is slow to import

    return await call_here(questions)


class NotAtRestError(Exception):
    """The pipeline still had events to work when the time that it was given was over."""


class MemoryCluster:
    """One version of a pipeline, its lanes and its books, over a Kafka in memory."""

    def __init__(
        self,
        version: Version,
        names: KafkaNames,
        functions: Mapping[str, StageFunction],
        clock: VirtualClock,
    ) -> None:
        """`functions`: by stage."""
        self.version = version
        self.names = names
        self.kafka = SimulatedKafka(clock=lambda: int(clock.now() * 1000))
        self.controls = MemoryControls(clock.now)
        """The control documents; lanes apply each from their next batch on."""
        self._clock = clock
        self._pools: list[ThreadPoolExecutor] = []
        self._limits: list[StageLimits] = []
        self._isolation = asyncio.Lock()
        self._readers: dict[Partition, list[_MemoryLane]] = {}
        self._candidates: list[StageCandidates] = []
        self._bookkeepers = [*self._bookkeeper_lanes()]
        self._lanes = [*self._stage_lanes(functions), *self._bookkeepers]
        self._asleep: set[_MemoryLane] = set()
        """The lanes that have nothing to do until somebody writes."""
        self._controls_seen = self.controls.rows
        """The control documents of which the lanes have heard."""
        self._controls_applied = 0
        """How many documents of the bookkeeper the lanes have heard of."""
        self._ended: asyncio.Future[bool] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def append(self, partition: Partition, outgoing: OutgoingRecord) -> None:
        """Write a record, as a producer without transactions does."""
        self.kafka.append(partition, outgoing, int(self._clock.now() * 1000))
        self._wake_readers([partition])

    async def settle(self, seconds: float) -> bool:
        """Let the lanes work until all is settled, or for `seconds` of the pipeline's time. Return
        True if all is settled. Raises what a lane raises: that is a mistake of ours."""
        ended = self._ended = asyncio.get_running_loop().create_future()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._run(lane)) for lane in self._lanes]
        if self._controls_seen is not self.controls.rows:
            self._controls_seen = self.controls.rows
            for lane in self._lanes:
                self._wake(lane)
        self._clock.stop_after(seconds, lambda: self._end(settled=False))
        self._clock.find_work = self._wake_bookkeepers
        self._end_if_settled()
        await asyncio.wait({ended, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            if task.done():
                task.result()
        return bool(ended.result())

    def _end_if_settled(self) -> None:
        if len(self._asleep) == len(self._lanes) and not self._wake_bookkeepers():
            self._end(settled=True)

    def _end(self, *, settled: bool) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(settled)

    async def close(self) -> None:
        """Let the lanes end between two transactions."""
        for limits in self._limits:
            limits.end()
        for lane in self._lanes:
            lane.port.stopping = True
            self._wake(lane)
        if self._tasks:
            await asyncio.wait(self._tasks)
        for candidates in self._candidates:
            await candidates.close()
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    # -- the lanes

    def _stage_lanes(self, functions: Mapping[str, StageFunction]) -> Iterable[_MemoryLane]:
        versions = {self.version.version: self.version}
        memory = ParkedMemory.of_process()
        shares_topic, gates_topic = self.names.shares_topic, self.names.gates_topic
        shares = ShareTable(_TableInMemory(self.kafka, shares_topic), self._clock.now)
        gates = _TableInMemory(self.kafka, gates_topic)
        controls = self.controls.state(self.version)
        limits = ProcessLimits(
            controls, clock=self._clock.now, monotonic=lambda: self._clock.passed
        )

        async def read_again() -> Mapping[int, Version]:
            return versions

        for name, active in hosted_stages(versions).items():
            invoker = self._invoker(name, active, functions[name], limits)
            of_stage = controls.of_stage(name)
            candidates = memory_candidates(name, self.version, functions[name], self.controls)
            self._candidates.append(candidates)
            for index, inputs in enumerate(_lane_inputs(self.version, active)):
                retry, state = (
                    own.topic if own is not None and index < own.partitions else None
                    for own in (active.parking, active.state)
                )
                work = make_lane_processor(
                    invoker,
                    index,
                    versions,
                    read_again,
                    self.names,
                    retry,
                    state,
                    on_committed=lambda _: None,
                    parked_memory=memory,
                    controls=of_stage,
                    candidates=candidates,
                    shares=shares,
                    gates=gates.rows,
                    clock=self._clock.now,
                    throttle_clock=self._clock.now,
                )
                lane = self._lane(
                    work,
                    self.names.stage_group(self.version.pipeline, name),
                    self.names.lane_transactional_id(self.version.pipeline, name, index),
                    inputs,
                    [Partition(topic, index) for topic in (retry, state) if topic],
                )
                lane.port.is_paused = partial(_is_on_hold, of_stage)
                watched = [Partition(gates_topic, 0)] if active.stage.gate else []
                for partition in [*inputs, *watched]:
                    self._readers.setdefault(partition, []).append(lane)
                yield lane

    def _invoker(
        self, name: str, active: ActiveStage, code: StageFunction, limits: ProcessLimits
    ) -> Invoker:
        of_stage = limits.of_stage()
        self._limits.append(of_stage)
        pool = None
        if active.stage.threads:
            pool = ThreadPoolExecutor(active.stage.threads, thread_name_prefix=name)
            self._pools.append(pool)
        return Invoker(
            self.version.pipeline,
            name,
            active.stage,
            code.function,
            code.signature,
            pool,
            self._clock.call_started,
            self._clock.call_ended,
            MemoryStageLimits(of_stage, self._clock),
        )

    def _bookkeeper_lanes(self) -> Iterable[_MemoryLane]:
        names, group = self.names, self.names.bookkeeper_group
        for index in range(self.version.ledger):
            work = BookkeeperLane(
                names,
                index,
                f"farandole://{self.version.installation}/farandole/bookkeeper",
                clock=lambda: int(self._clock.now() * 1000),
                read_age=lambda: None,  # no run is late: time passes only where lanes wait
                version_of=lambda *_: self.version,
                call_functions=_call_here,
            )
            tables = (names.runs_topic, names.bookkeeper_state_topic)
            yield self._lane(
                work,
                group,
                f"{group}:{index}",
                [Partition(names.ledger_topic, index)],
                [Partition(table, index) for table in tables],
            )

    def _lane(
        self,
        work: LaneWork,
        group: str,
        transactional_id: str,
        inputs: Sequence[Partition],
        state: Sequence[Partition],
    ) -> _MemoryLane:
        port = SimulatedPort(
            self.kafka, group, transactional_id, inputs, 1, most=RECORDS_A_FETCH, state=state
        )
        self.kafka.generations[transactional_id] = 1
        for partition in inputs:
            self.kafka.offsets[group, partition] = CommittedOffset(0)
        lane = _MemoryLane(work, port)
        port.step = lambda label: self._step(lane, label)
        return lane

    async def _run(self, lane: _MemoryLane) -> None:
        await run_lane(lane.port, lane.work, isolation=self._isolation, log=lambda *_, **__: None)

    async def _step(self, lane: _MemoryLane, label: str) -> None:
        """Take a step of a lane: Kafka answers at once, and the lane waits where it has to."""
        if label == "fetch":
            if not lane.has_unread():
                await self._wait(lane)
        elif label == "committing":
            self._end_transaction(lane.port.transactional_id)
        elif label == "wait":
            await self._wait(lane, lane.port.waits_at_most)
        elif label == "rest":
            await asyncio.sleep(_RESTART_SECONDS)

    def _end_transaction(self, transactional_id: str) -> None:
        transaction = self.kafka.producers[transactional_id].transaction
        assert transaction is not None  # it is being committed
        self.kafka.complete(transactional_id)
        control = Partition(self.names.control_topic, 0)
        if control in transaction.touched:
            self._apply_controls(control)
        self._wake_readers(transaction.touched)

    def _apply_controls(self, control: Partition) -> None:
        """Let the lanes hear of the documents that the bookkeeper has written."""
        written = self.kafka.read_committed(control)
        for record in written[self._controls_applied :]:
            self.controls.write(record.value or b"", record.key)
        self._controls_applied = len(written)

    def _wake_readers(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            for lane in self._readers.get(partition, ()):
                self._wake(lane)

    def _wake_bookkeepers(self) -> bool:
        """Wake the bookkeeper where entries are unread, and return True if there are any. It works
        when no stage can: so it folds a run whole, and not in parts, which takes longer."""
        behind = [lane for lane in self._bookkeepers if lane.has_unread()]
        for lane in behind:
            self._wake(lane)
        return bool(behind)

    def _wake(self, lane: _MemoryLane) -> None:
        self._asleep.discard(lane)  # at once: the lane itself runs only later
        if lane.woken is not None and not lane.woken.done():
            lane.woken.set_result(None)

    async def _wait(self, lane: _MemoryLane, at_most: float | None = None) -> None:
        """Wait until the lane has something to read, an event is due, or its rate may let one pass,
        in `at_most` seconds. The pipeline is at rest when all lanes wait, and none for a time."""
        loop = asyncio.get_running_loop()
        lane.woken = loop.create_future()
        due = lane.work.deferred.next_due if lane.work.deferred is not None else None
        if at_most is not None:
            again = self._clock.now() + min(at_most, _THROTTLED_SECONDS)
            due = again if due is None else min(due, again)
        if due is not None and not lane.port.is_paused():
            # A millisecond at least: due times are whole ones.
            timer = loop.call_later(max(0.001, due - self._clock.now()), self._wake, lane)
            try:
                await lane.woken
            finally:
                timer.cancel()
            return
        self._asleep.add(lane)
        self._end_if_settled()
        await lane.woken


class _TableInMemory:
    """The rows of a compacted topic with one partition."""

    def __init__(self, kafka: SimulatedKafka, topic: str) -> None:
        self._kafka = kafka
        self._place = Partition(topic, 0)
        self._position = 0
        self._rows: Mapping[bytes, bytes] = {}
        self._written_at: dict[bytes, int] = {}

    def written_at(self) -> Mapping[bytes, int]:
        """Return when each row was written, in milliseconds of the epoch."""
        return self._written_at

    def rows(self) -> Mapping[bytes, bytes]:
        """Return the rows by key, a new object after each change."""
        end = self._kafka.last_stable_offset(self._place)
        if end > self._position:
            rows = dict(self._rows)
            for record in self._kafka.read_committed(self._place, self._position):
                if record.key is not None and record.value is None:
                    rows.pop(record.key, None)
                elif record.key is not None and record.value is not None:
                    rows[record.key] = record.value
                    self._written_at[record.key] = record.timestamp
            self._rows, self._position = rows, end
        return self._rows


@dataclass(slots=True, eq=False)
class _MemoryLane:
    work: LaneWork
    port: SimulatedPort
    woken: asyncio.Future[None] | None = None
    """Set while the lane waits."""

    def has_unread(self) -> bool:
        """Return True if there is something behind the lane's positions, or the lane is to end."""
        kafka = self.port.kafka
        return self.port.stopping or any(
            kafka.last_stable_offset(partition) > position
            for partition, position in self.port.positions().items()
        )


def _is_on_hold(controls: StageControls) -> bool:
    return controls.mode().mode == "hold"


def _lane_inputs(version: Version, active: ActiveStage) -> list[list[Partition]]:
    """Return the input partitions of each lane of a stage."""
    widths = {event.topic: event.partitions for event in version.events.values()}
    if active.parking is not None:
        widths[active.parking.topic] = active.parking.partitions
    return [
        [Partition(topic, index) for topic in active.topics if index < widths[topic]]
        for index in range(max(widths[topic] for topic in active.topics))
    ]
