"""How does a lane reach the real Kafka?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.aiokafka_internals import (
    assigned_positions,
    committed_with_metadata,
    current_assignment,
    force_close_client,
    generation,
    heartbeat,
)
from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    BrokerError,
    DeadlineExceededError,
    ProducerFencedError,
    RecordRejectedError,
    TransactionFailedError,
)
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import close_client, make_producer
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.broker.transactions import await_all, send_records, translated_errors
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import (
    Partition,
    PartitionWrites,
    Record,
)
from farandole.lanes.lane_port import (
    CommittedOffset,
    FencedError,
    LaneStoppedError,
    OffsetLostError,
    OutcomeUnknownError,
    StateTables,
    WriteRejectedError,
)

log = structlog.get_logger()

_POLL_SECONDS = 0.2  # seconds that a fetch waits for records before it answers "none"
_RESTART_BACKOFF = Backoff(first=0.04, longest=5.0, jitter=0.5)


@dataclass(slots=True)
class GroupMembership:
    """What all lanes of one consumer share: the consumer, its group, and the generation under which
    it holds its partitions."""

    settings: Settings
    consumer: AIOKafkaConsumer
    group: str
    generation: int = -1

    async def heartbeat(self) -> bool | None:
        """True if Kafka accepted a heartbeat in our generation, False if the generation is gone,
        None if Kafka did not answer."""
        if generation(self.consumer) != self.generation:
            return False
        try:
            async with asyncio.timeout(self.settings.deadline):
                accepted = await heartbeat(self.consumer)
        except (KafkaError, TimeoutError):
            return None
        if generation(self.consumer) != self.generation:
            return False
        return True if accepted else None


@dataclass(slots=True)
class KafkaPort:
    """`farandole.lanes.lane_port.Port` over aiokafka: one transactional producer, and one index of
    the partitions that the membership's consumer holds."""

    membership: GroupMembership
    transactional_id: str
    inputs: Sequence[Partition]
    remedy: str
    """What a person types when an offset is lost."""
    state: Sequence[Partition] = ()
    """The lane's partition of each of its compacted topics."""
    from_start: bool = False
    """An input whose offset is missing or no more in the log is read from its start, instead of
    being lost."""
    holding: Callable[[], bool] = lambda: False
    """Is the lane to take no event now?"""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    living: bool = False
    """Between a birth and the death that follows it."""
    _producer: AIOKafkaProducer | None = None
    _fetching: asyncio.Task[Any] | None = None
    _transaction_ends: float = 0.0
    _skipper: UndecodableSkipper | None = None
    _assignment: Any = None
    _handed_over: Mapping[Partition, int] = field(default_factory=dict)

    def stop(self) -> None:
        """End between transactions; a fetch ends at once."""
        self.stopping.set()
        if self._fetching is not None:
            self._fetching.cancel()

    async def fence(self) -> None:
        self.raise_if_stopping()
        self._producer = make_producer(
            self.membership.settings, transactional_id=self.transactional_id
        )
        await self._answered(self._producer.start(), self._deadline())

    async def read_state(self) -> StateTables:
        settings = self.membership.settings
        try:
            return {topic: await read_table(settings, topic, index) for topic, index in self.state}
        except BrokerError as error:
            raise OutcomeUnknownError(str(error)) from None

    async def committed_offsets(self) -> Mapping[Partition, CommittedOffset]:
        tps = [TopicPartition(*p) for p in self.inputs]
        asking = committed_with_metadata(self.membership.consumer, tps)
        found = await self._answered(asking, self._deadline())
        if any(tp not in found for tp in tps):
            found = await self._asked_again(tps)
        found = {tp: entry for tp, entry in found.items() if entry and entry.offset >= 0}
        if self.from_start:
            found = await self._within_the_log(found)
        committed = {}
        for partition in self.inputs:
            entry = found.get(TopicPartition(*partition))
            if entry is None:
                raise OffsetLostError(
                    f"group {self.membership.group} has no offset for "
                    f"{partition.topic}/{partition.partition}; {self.remedy}"
                )
            committed[partition] = CommittedOffset(entry.offset, entry.metadata or "")
        return committed

    async def _asked_again(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, Any]:
        """While it loads, a coordinator answers as if there were no offset; this call knows."""
        try:
            async with ClusterAdmin.open(self.membership.settings) as admin:
                return await admin.committed(self.membership.group, tps)
        except BrokerError as error:
            raise OutcomeUnknownError(str(error)) from None

    async def _within_the_log(
        self, found: Mapping[TopicPartition, Any]
    ) -> Mapping[TopicPartition, Any]:
        """With the start of the log for each offset that is missing, or no more in it."""
        tps = [TopicPartition(*p) for p in self.inputs]
        try:
            async with ClusterAdmin.open(self.membership.settings) as admin:
                starts, ends = await admin.start_offsets(tps), await admin.end_offsets(tps)
        except BrokerError as error:
            raise OutcomeUnknownError(str(error)) from None
        kept = {tp: e for tp, e in found.items() if starts[tp] <= e.offset <= ends[tp]}
        for tp in found.keys() - kept.keys():
            log.warning("lane.lost", partition=f"{tp.topic}/{tp.partition}", at=starts[tp])
        return {tp: kept.get(tp) or OffsetAndMetadata(starts[tp], "") for tp in tps}

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        consumer = self.membership.consumer
        self._assignment = current_assignment(consumer)
        if self._assignment is None:  # subscribed anew since: a rebalance follows
            raise LaneStoppedError
        try:
            for partition, offset in offsets.items():
                consumer.seek(TopicPartition(*partition), offset)
            consumer.resume(*(TopicPartition(*p) for p in offsets))
        except IllegalStateError:
            raise LaneStoppedError from None
        self._handed_over = dict(offsets)
        if self._skipper is None:
            self._skipper = UndecodableSkipper(consumer, lambda: self.seek(self._handed_over))
        self.living = True

    async def wait_if_paused(self) -> bool:
        # No fetch is no reason to leave the group: heartbeats are sent all the same.
        if not self.holding():
            return False
        await self.wait()
        return True

    async def wait(self) -> None:
        await self._wait(_POLL_SECONDS)

    async def fetch(self, *, wait: bool = True) -> Sequence[Record]:
        self.raise_if_stopping()
        assert self._skipper is not None, "a lane seeks before it fetches"
        tps = [TopicPartition(*p) for p in self.inputs]
        timeout_ms = int(_POLL_SECONDS * 1000) if wait else 0
        batches = await self._skipper.poll(tps, partial(self._poll, timeout_ms))
        self._handed_over = dict(self.positions())
        if len(batches) == 1:
            (records,) = batches.values()
            return records
        return [record for records in batches.values() for record in records]

    async def _poll(
        self, timeout_ms: int, partitions: Sequence[TopicPartition], max_records: int | None
    ) -> Batches:
        if max_records is not None:  # single records: an idle input is no reason to spin
            timeout_ms = int(_POLL_SECONDS * 1000)
        self._fetching = asyncio.ensure_future(
            self.membership.consumer.getmany(
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        )
        try:
            batches: Batches = await self._fetching
            return batches
        except asyncio.CancelledError:
            self.raise_if_stopping()  # stop() cancelled the fetch; whoever cancels us means it
            raise
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            raise OffsetLostError(f"{type(error).__name__} {error}; {self.remedy}") from None
        except IllegalStateError:
            raise LaneStoppedError from None
        except KafkaError as error:
            raise OutcomeUnknownError(f"{type(error).__name__}: {error}") from None
        finally:
            self._fetching = None

    def positions(self) -> Mapping[Partition, int]:
        # Of the assignment that we seeked in: a newer one may have other positions.
        positions = assigned_positions(self._assignment, self.inputs)
        if positions is None:
            raise LaneStoppedError
        return dict(zip(self.inputs, positions, strict=True))

    async def begin(self) -> None:
        # One deadline for the whole transaction, below its time-out: past it, it may be aborted.
        self._transaction_ends = self._deadline()
        await self._answered(self._open().begin_transaction(), self._transaction_ends)

    async def send(
        self, writes: PartitionWrites, offsets: Mapping[Partition, CommittedOffset]
    ) -> None:
        client, now = self._open(), int(time.time() * 1000)
        producing = [send_records(client, tp, out, now) for tp, out in writes.items() if out]
        committing = client.send_offsets_to_transaction(
            {
                TopicPartition(*p): OffsetAndMetadata(c.offset, c.metadata)
                for p, c in offsets.items()
            },
            self.membership.group,
        )
        # Together, not one after the other: a round trip less in each hop.
        await self._answered(await_all([*producing, committing]), self._transaction_ends)

    async def commit(self) -> None:
        await self._answered(self._open().commit_transaction(), self._transaction_ends)

    async def force_close(self) -> None:
        self.living = False
        discarded, self._producer = self._producer, None
        if discarded is not None:
            await force_close_client(discarded)

    async def close(self) -> None:
        self.living = False
        closed, self._producer = self._producer, None
        if closed is not None:
            await close_client(
                closed, patience=1
            )  # nothing is in flight: to wait longer would be vain

    async def confirm_ownership(self) -> bool:
        while not self.stopping.is_set():
            answer = await self.membership.heartbeat()
            if answer is not None:
                return answer and not self.stopping.is_set()
            await self._wait(0.5)
        return False

    async def wait_before_restart(self, fruitless: int) -> None:
        await self._wait(_RESTART_BACKOFF.delay(fruitless))

    async def _answered(self, request: Awaitable[Any], deadline: float) -> Any:
        """The answer, or one of the port's exceptions."""
        try:
            with translated_errors(f"no answer within {self.membership.settings.deadline:g} s"):
                async with asyncio.timeout_at(deadline):
                    return await request
        except ProducerFencedError as error:
            raise FencedError(str(error)) from None
        except RecordRejectedError as error:
            raise WriteRejectedError(str(error)) from None
        except (DeadlineExceededError, TransactionFailedError) as error:
            raise OutcomeUnknownError(str(error)) from None

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.membership.settings.deadline

    def _open(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise LaneStoppedError
        return self._producer

    def raise_if_stopping(self) -> None:
        if self.stopping.is_set():
            raise LaneStoppedError

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass
