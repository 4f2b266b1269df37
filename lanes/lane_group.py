"""Which lanes run in this process, and when do they start and end?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.aiokafka_internals import (
    force_close_client,
    raise_coordinator_error,
)
from farandole.broker.broker_errors import BrokerError
from farandole.broker.group_offsets import current_member
from farandole.broker.kafka_clients import close_client, make_consumer
from farandole.broker.missing_rights import denial_text, missing_right
from farandole.broker.settings import Settings
from farandole.events.record import Partition
from farandole.lanes.group_meter import GroupMeter
from farandole.lanes.kafka_port import GroupMembership, KafkaPort
from farandole.lanes.lane_protocol import LaneLog, run_lane
from farandole.lanes.lane_spec import LaneSpec
from farandole.lanes.lane_work import DeferredEvents
from farandole.telemetry.meter import Meter

log = structlog.get_logger()

_TOPIC_WATCH_SECONDS = 5.0


class MembershipError(Exception):
    """The membership cannot go on; the process that hosts it should end and be started again."""


class LaneGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Membership in one consumer group, with a running lane for every index assigned to it.

    `isolation` is one lock for all groups of the process (`run_lane`), and `meter` one that
    measures all of them.
    """

    def __init__(
        self,
        settings: Settings,
        spec: LaneSpec,
        *,
        isolation: asyncio.Lock,
        meter: Meter | None = None,
    ) -> None:
        self._settings = settings
        self._spec = spec
        self._isolation = isolation
        self._topics = sorted(spec.topics)
        self._started = False
        consumer = make_consumer(settings, group=spec.group)
        self._membership = GroupMembership(settings, consumer, spec.group)
        self._lanes: dict[int, tuple[KafkaPort, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = False
        self._failure: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._log = log.bind(group=spec.group)
        self._meter = GroupMeter(meter or Meter(), spec.group, spec.pipeline, spec.stage)

    async def run(self, stopping: asyncio.Event) -> None:
        """Join the group and run its lanes until `stopping` is set; then let the lanes end, leave
        the group and return. Raises MembershipError."""
        consumer = self._membership.consumer
        try:
            async with asyncio.timeout(self._settings.deadline):
                await consumer.start()
        except (TimeoutError, KafkaError) as error:
            await force_close_client(consumer)
            self._meter.end()
            raise MembershipError(f"cannot reach Kafka: {error}") from None
        self._started = True
        consumer.subscribe(self._topics, listener=self)
        stop = asyncio.ensure_future(stopping.wait())
        watch = asyncio.create_task(self._watch_topics())
        ends: set[asyncio.Future[Any]] = {stop, self._failure}
        try:
            while not (await asyncio.wait(ends, timeout=1, return_when=asyncio.FIRST_COMPLETED))[0]:
                self._check_coordinator(consumer)
        finally:
            stop.cancel()
            watch.cancel()
            self._leaving = True
            await self._end_lanes(self._spec.drain_seconds)
            await close_client(consumer)
            await self._membership.close_admin()
            self._meter.end()
        if self._failure.done():
            self._failure.result()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Read these topics from now on: the lanes end, and new ones open with the new inputs."""
        if sorted(topics) == self._topics:
            return
        self._topics = sorted(topics)
        self._log.info("group.resubscribed", topics=self._topics)
        if self._started:
            self._membership.consumer.subscribe(self._topics, listener=self)

    async def _watch_topics(self) -> None:
        """Read the ids of the input topics every few seconds, until cancelled: aiokafka goes on in
        a topic that was created again, at the offset that it had in the earlier one."""
        while True:
            await asyncio.sleep(_TOPIC_WATCH_SECONDS)
            with suppress(BrokerError):  # what is away may come back
                known = self._spec.known_topics()
                await self._membership.read_topic_ids(known.keys() & set(self._topics))

    def _check_coordinator(self, consumer: Any) -> None:
        """End the membership if its coordination has failed. aiokafka raises such an error
        only from a fetch; a group without lanes fetches nothing and would never get it."""
        try:
            raise_coordinator_error(consumer)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the membership has ended
            right = missing_right(error) if isinstance(error, KafkaError) else None
            self._fail(f"coordination failed: {error!r}" if right is None else denial_text(right))

    def _fail(self, reason: str) -> None:
        if not self._failure.done():
            self._failure.set_exception(MembershipError(reason))

    @property
    def running_lanes(self) -> Sequence[int]:
        """The indexes of the lanes that are open: not those that wait to open again."""
        return sorted(index for index, (port, _) in self._lanes.items() if port.is_open)

    def read_age(self, index: int) -> float | None:
        """Return how many seconds ago the lane had been handed everything that could be read; None
        if something is fetched and not handed over, or the lane is not open."""
        lane = self._lanes.get(index)
        return lane[0].read_age() if lane is not None else None

    async def confirm_lane(self, index: int) -> bool:
        """Return True if the lane is open and Kafka has just accepted a heartbeat under which it is
        ours. For work outside of transactions, which no fence protects; the answer is of use only
        at once."""
        asked = time.monotonic()
        accepted = await self._membership.heartbeat()
        # A process that was frozen while it waited gets the answer long after it was given.
        is_fresh = time.monotonic() - asked < self._settings.session_timeout / 2
        return bool(accepted) and is_fresh and index in self.running_lanes

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            # Half of the session at most: the group waits for us, and the fence makes it safe.
            patience = min(self._spec.drain_seconds, self._settings.session_timeout / 2)
            await self._end_lanes(patience)
        except Exception as error:  # noqa: BLE001 -- aiokafka swallows what a listener raises
            self._fail(f"revocation failed: {error!r}")

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            await self._end_lanes(0)  # if aiokafka has skipped the revocation
            if not assigned <= self._membership.consumer.assignment():
                return  # the subscription has changed meanwhile: a rebalance follows
            self._membership.consumer.pause(*assigned)
            if not self._leaving:
                self._start_lanes(assigned)
        except Exception as error:  # noqa: BLE001 -- as above
            self._fail(f"assignment failed: {error!r}")

    def _start_lanes(self, assigned: set[TopicPartition]) -> None:
        self._membership.member = current_member(self._membership.consumer)
        by_index: dict[int, list[Partition]] = {}
        for topic, index in sorted(assigned):
            by_index.setdefault(index, []).append(Partition(topic, index))
        for index, meter in self._meter.assign(by_index).items():
            port = KafkaPort(self._membership, self._spec, index, by_index[index], meter)
            meter.lag = port.lag
            task = asyncio.create_task(self._lane(port, index), name=f"lane {index}")
            self._lanes[index] = port, task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._log.info("group.assigned", lanes=sorted(by_index))

    async def _lane(self, port: KafkaPort, index: int) -> None:
        bound = self._log.bind(lane=index)
        deferred: DeferredEvents | None = None
        try:
            work = self._spec.work(index)
            deferred = work.deferred
            await run_lane(
                self._spec.wrap_port(port),
                work,
                isolation=self._isolation,
                log=_lane_log(bound),
                observer=self._meter.observer(port.meter, self._spec.observer(index)),
            )
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 -- a bug of ours must be reported
            bound.exception("lane.broken")
            self._fail(f"lane {index}: {error!r}")
        finally:
            await port.force_close()
            # A lane that has come back meanwhile may have the same work.
            if deferred is not None and self._lanes.get(index, (port, None))[0] is port:
                deferred.clear()

    async def _end_lanes(self, patience: float) -> None:
        """Let each lane end between two transactions. After `patience` seconds it is abandoned; the
        fence makes that safe: its successor handles the same events again."""
        ending, self._lanes = self._lanes, {}
        self._meter.revoke()
        for port, _ in ending.values():
            port.stop()
        tasks = set(self._tasks)  # with those that an earlier call still waits for
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=patience)
        for task in late:
            task.cancel()
        if late:
            self._log.warning("group.abandoned", lanes=len(late))
            await asyncio.wait(late, timeout=1)


async def run_with_companion(
    group: LaneGroup, companion: Coroutine[Any, Any, None], stopping: asyncio.Event
) -> None:
    """Run a group, and beside it a coroutine that serves its lanes and never ends by itself, until
    `stopping` is set or one of the two ends. Raises MembershipError, and whatever the companion has
    raised."""
    ending = asyncio.Event()
    running = asyncio.create_task(group.run(ending))
    beside = asyncio.create_task(companion)
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, beside, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.set()
        stopped.cancel()
        beside.cancel()
        await asyncio.wait({running, beside})
    running.result()
    if not beside.cancelled():
        beside.result()


def _lane_log(bound: Any) -> LaneLog:
    """Return the log of a lane: at debug level that it has opened, as a warning all else."""

    def write(event: str, **fields: Any) -> None:
        (bound.debug if event == "lane.born" else bound.warning)(event, **fields)

    return write
