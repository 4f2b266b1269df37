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

from farandole.catalog.active_stages import ActiveStage, hosted_stages
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import CommittedOffset
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import LaneWork
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedPort
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.stages.function_loader import StageFunction
from farandole.testing.virtual_time import VirtualClock
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import make_lane_processor
from farandole.worker.parked_memory import ParkedMemory

RECORDS_A_FETCH = 1_000
"""How many records of a partition a lane gets at once, and so a function of a list."""
_RESTART_SECONDS = 1.0  # before a lane that has failed opens again


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
        self._clock = clock
        self._pools: list[ThreadPoolExecutor] = []
        self._isolation = asyncio.Lock()
        self._readers: dict[Partition, list[_MemoryLane]] = {}
        self._bookkeepers = [*self._bookkeeper_lanes()]
        self._lanes = [*self._stage_lanes(functions), *self._bookkeepers]
        self._asleep: set[_MemoryLane] = set()
        """The lanes that have nothing to do until somebody writes."""
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
        for lane in self._lanes:
            lane.port.stopping = True
            self._wake(lane)
        if self._tasks:
            await asyncio.wait(self._tasks)
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    # -- the lanes

    def _stage_lanes(self, functions: Mapping[str, StageFunction]) -> Iterable[_MemoryLane]:
        versions = {self.version.version: self.version}
        memory = ParkedMemory.of_process()

        async def read_again() -> Mapping[int, Version]:
            return versions

        for name, active in hosted_stages(versions).items():
            invoker = self._invoker(name, active, functions[name])
            for index, inputs in enumerate(_lane_inputs(self.version, active)):
                parking = active.parking
                retry = parking.topic if parking and index < parking.partitions else None
                work = make_lane_processor(
                    invoker,
                    index,
                    versions,
                    read_again,
                    self.names,
                    retry,
                    on_committed=lambda _: None,
                    parked_memory=memory,
                    clock=self._clock.now,
                )
                lane = self._lane(
                    work,
                    self.names.stage_group(self.version.pipeline, name),
                    self.names.lane_transactional_id(self.version.pipeline, name, index),
                    inputs,
                    [Partition(retry, index)] if retry else [],
                )
                for partition in inputs:
                    self._readers.setdefault(partition, []).append(lane)
                yield lane

    def _invoker(self, name: str, active: ActiveStage, code: StageFunction) -> Invoker:
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
            await self._wait(lane)
        elif label == "rest":
            await asyncio.sleep(_RESTART_SECONDS)

    def _end_transaction(self, transactional_id: str) -> None:
        transaction = self.kafka.producers[transactional_id].transaction
        assert transaction is not None  # it is being committed
        self.kafka.complete(transactional_id)
        self._wake_readers(transaction.touched)

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

    async def _wait(self, lane: _MemoryLane) -> None:
        """Wait until the lane has something to read, or an event is due. The pipeline is at rest
        when all lanes wait, and none for a time."""
        loop = asyncio.get_running_loop()
        lane.woken = loop.create_future()
        due = lane.work.deferred.next_due if lane.work.deferred is not None else None
        if due is not None:
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


def _lane_inputs(version: Version, active: ActiveStage) -> list[list[Partition]]:
    """Return the input partitions of each lane of a stage."""
    widths = {event.topic: event.partitions for event in version.events.values()}
    if active.parking is not None:
        widths[active.parking.topic] = active.parking.partitions
    return [
        [Partition(topic, index) for topic in active.topics if index < widths[topic]]
        for index in range(max(widths[topic] for topic in active.topics))
    ]
