"""Which lanes live in this process, and when do they begin and end?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.aiokafka_internals import (
    force_close_client,
    generation,
    raise_coordinator_error,
)
from farandole.broker.kafka_clients import close_client, make_consumer
from farandole.broker.settings import Settings
from farandole.events.record import Partition
from farandole.lanes.kafka_port import GroupMembership, KafkaPort
from farandole.lanes.lane_port import LanePort
from farandole.lanes.lane_protocol import LaneWork, run_lane

log = structlog.get_logger()


class MembershipError(Exception):
    """The membership cannot go on; the process that hosts it should end and be started again."""


class LaneGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Membership in the group of one stage, with a living lane for every index assigned to it.

    `work` makes the work of lane *i*, whose state is its partition of each of the `state` topics.
    `from_start`: an input whose offset is lost is read from its start, where it would stop the lane
    with `remedy`. While `holding` says so its lanes take no event, and keep their places.
    `alone` is shared by all groups of the process. `port` may
    put something between a lane and its Kafka: how a test breaks the protocol on purpose.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Sequence[str],
        transactional_id: Callable[[int], str],
        work: Callable[[int], LaneWork],
        *,
        alone: asyncio.Lock,
        remedy: str = "",
        patience: float,
        state: Sequence[str] = (),
        from_start: bool = False,
        holding: Callable[[], bool] = lambda: False,
        port: Callable[[KafkaPort], LanePort] = lambda port: port,
    ) -> None:
        self._settings = settings
        self._topics = sorted(topics)
        self._started = False
        self._transactional_id = transactional_id
        self._work = work
        self._alone = alone
        self._remedy = remedy
        self._patience = patience
        self._state = state
        self._from_start = from_start
        self._holding = holding
        self._port = port
        self._membership = GroupMembership(settings, make_consumer(settings, group=group), group)
        self._lanes: dict[int, tuple[KafkaPort, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = False
        self._broken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._log = log.bind(group=group)

    async def run(self, stopping: asyncio.Event) -> None:
        """Be a member until `stopping` is set, then drain, leave and return. Raises
        MembershipError."""
        member = self._membership.consumer
        try:
            async with asyncio.timeout(self._settings.deadline):
                await member.start()
        except (TimeoutError, KafkaError) as error:
            await force_close_client(member)
            raise MembershipError(f"cannot reach Kafka: {error}") from None
        self._started = True
        member.subscribe(self._topics, listener=self)
        stop = asyncio.ensure_future(stopping.wait())
        ends: set[asyncio.Future[Any]] = {stop, self._broken}
        try:
            while not (await asyncio.wait(ends, timeout=1, return_when=asyncio.FIRST_COMPLETED))[0]:
                self._look_after(member)
        finally:
            stop.cancel()
            self._leaving = True
            await self._end_lanes(self._patience)
            await close_client(member)
        if self._broken.done():
            self._broken.result()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Read these topics from now on: the lanes end, and are born with their new inputs."""
        if sorted(topics) == self._topics:
            return
        self._topics = sorted(topics)
        self._log.info("group.resubscribed", topics=self._topics)
        if self._started:
            self._membership.consumer.subscribe(self._topics, listener=self)

    def _look_after(self, member: Any) -> None:
        """aiokafka keeps its coordinator's errors until somebody fetches; with no lane, nobody
        does, and the member would be silent for good."""
        try:
            raise_coordinator_error(member)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the membership is at its end
            self._break(f"coordination failed: {error!r}")

    def _break(self, why: str) -> None:
        if not self._broken.done():
            self._broken.set_exception(MembershipError(why))

    @property
    def lanes(self) -> Sequence[int]:
        """The lanes that live: born, and neither dead nor waiting."""
        return sorted(index for index, (port, _) in self._lanes.items() if port.living)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            # Half of the session at most: the group waits for us, and the fence protects the rest.
            await self._end_lanes(min(self._patience, self._settings.session_timeout / 2))
        except Exception as error:  # noqa: BLE001 -- aiokafka swallows what a listener raises
            self._break(f"revocation failed: {error!r}")

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            await self._end_lanes(0)  # a revocation that was skipped must not leave two
            if not assigned <= self._membership.consumer.assignment():
                return  # subscribed anew meanwhile: a rebalance follows
            self._membership.consumer.pause(*assigned)
            if not self._leaving:
                self._start_lanes(assigned)
        except Exception as error:  # noqa: BLE001 -- as above
            self._break(f"assignment failed: {error!r}")

    def _start_lanes(self, assigned: set[TopicPartition]) -> None:
        self._membership.generation = generation(self._membership.consumer)
        by_index: dict[int, list[Partition]] = {}
        for topic, index in sorted(assigned):
            by_index.setdefault(index, []).append(Partition(topic, index))
        for index, inputs in by_index.items():
            port = KafkaPort(
                self._membership,
                self._transactional_id(index),
                inputs,
                remedy=self._remedy,
                state=[Partition(topic, index) for topic in self._state],
                from_start=self._from_start,
                holding=self._holding,
            )
            task = asyncio.create_task(self._lane(port, index), name=f"lane {index}")
            self._lanes[index] = port, task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._log.info("group.assigned", lanes=sorted(by_index))

    async def _lane(self, port: KafkaPort, index: int) -> None:
        bound = self._log.bind(lane=index)
        try:
            await run_lane(
                self._port(port), self._work(index), alone=self._alone, log=_logging_observer(bound)
            )
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 -- a defect of ours must not end in silence
            bound.exception("lane.broken")
            self._break(f"lane {index}: {error!r}")
        finally:
            await port.force_close()

    async def _end_lanes(self, patience: float) -> None:
        """Let each lane end between transactions; past `patience` seconds it is abandoned, which
        the fence makes safe: its successor works the same events again."""
        ending, self._lanes = self._lanes, {}
        for port, _ in ending.values():
            port.stop()
        tasks = set(self._tasks)  # those that an earlier call still waits for included
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
    """Run a group, and beside it what serves its lanes and never ends by itself, until `stopping`
    is set or one of the two ends. Raises MembershipError, and whatever the companion has ended
    with: it must be heard."""
    ending = asyncio.Event()
    working = asyncio.create_task(group.run(ending))
    beside = asyncio.create_task(companion)
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, beside, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.set()
        stopped.cancel()
        beside.cancel()
        await asyncio.wait({working, beside})
    working.result()
    if not beside.cancelled():
        beside.result()


def _logging_observer(log: Any) -> Callable[..., Any]:
    """A birth is the ordinary course of things; everything else that a lane says is not."""

    def say(event: str, **fields: Any) -> None:
        (log.debug if event == "lane.born" else log.warning)(event, **fields)

    return say
