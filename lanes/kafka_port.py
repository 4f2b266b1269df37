"""How does a lane reach the real Kafka?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
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
    current_assignment,
    force_close_client,
    generation,
    heartbeat,
    rejoin_group,
    stable_end_reached_at,
    unanswered_requests,
    unread_offsets,
)
from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    BrokerError,
    DeadlineExceededError,
    MembershipOverError,
    ProducerFencedError,
    RecordRejectedError,
    TransactionFailedError,
)
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.group_offsets import (
    NO_MEMBER,
    GroupMember,
    commit_as_member,
    current_member,
    stable_offsets,
)
from farandole.broker.kafka_clients import close_client, make_producer
from farandole.broker.missing_rights import denial_text, missing_right
from farandole.broker.settings import Settings
from farandole.broker.topic_ids import consumer_topic_ids
from farandole.broker.topic_reader import read_table
from farandole.broker.transactions import await_all, send_records, translated_errors
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import (
    Partition,
    PartitionWrites,
    Record,
)
from farandole.lanes.group_meter import LaneMeter
from farandole.lanes.known_topics import find_changed_topic, find_unknown_partition
from farandole.lanes.lane_port import (
    CommittedOffset,
    ExpelledError,
    FencedError,
    LaneStoppedError,
    OffsetLostError,
    OutcomeUnknownError,
    PlacedOffsets,
    StateTables,
    WriteRejectedError,
)
from farandole.lanes.lane_spec import LaneSpec

log = structlog.get_logger()

_POLL_SECONDS = 0.2  # how long a fetch waits for records
_RESTART_BACKOFF = Backoff(first=0.04, longest=5.0, jitter=0.5)


@dataclass(slots=True)
class GroupMembership:
    """What all lanes of one consumer share: the consumer, its group, and as which member of it the
    consumer owns its partitions."""

    settings: Settings
    consumer: AIOKafkaConsumer
    group: str
    member: GroupMember = NO_MEMBER
    topic_ids: dict[str, str] = field(default_factory=dict)
    """Kafka's ids of the topics that were asked for, as of the last answer."""
    _admin: ClusterAdmin | None = None
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read_topic_ids(self, topics: Collection[str]) -> None:
        """Ask for the ids of topics. Raises BrokerError."""
        self.topic_ids |= await consumer_topic_ids(self.consumer, self.settings, topics)

    async def admin(self) -> ClusterAdmin:
        """Return the admin client that all lanes use when they open: to connect takes longer than
        to ask. Raises the errors of `ClusterAdmin.open`."""
        async with self._opening:
            if self._admin is None:
                opening = ClusterAdmin.open(self.settings)
                self._admin = await self._closing.enter_async_context(opening)
            return self._admin

    async def close_admin(self) -> None:
        """Close the admin client; the next request opens another."""
        async with self._opening:
            self._admin = None
            await self._closing.aclose()

    async def heartbeat(self) -> bool | None:
        """Return True if Kafka accepted a heartbeat in our generation, False if the generation is
        over, None if Kafka did not answer."""
        if generation(self.consumer) != self.member.generation:
            return False
        try:
            async with asyncio.timeout(self.settings.deadline):
                accepted = await heartbeat(self.consumer)
        except (KafkaError, TimeoutError):
            return None
        if generation(self.consumer) != self.member.generation:
            return False
        return True if accepted else None


class KafkaPort:
    """`farandole.lanes.lane_port.LanePort` over aiokafka: one transactional producer, and the
    partitions of one index that the membership's consumer owns."""

    def __init__(
        self,
        membership: GroupMembership,
        spec: LaneSpec,
        index: int,
        inputs: Sequence[Partition],
        meter: LaneMeter,
    ) -> None:
        self.membership = membership
        self.meter = meter
        # A lane that is abandoned at a rebalance must not act as the member of a later generation.
        self._member = membership.member
        self.inputs = inputs
        self.is_open = False  # from `seek` until the producer is closed
        self.spec = spec
        self.transactional_id = spec.transactional_id(index)
        self.state = [Partition(topic, index) for topic in spec.state_topics]
        self._stopping = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._fetching: asyncio.Task[Any] | None = None
        self._transaction_ends = 0.0
        self._transaction_began = 0.0
        self._assignment: Any = None
        self._handed_over: Mapping[Partition, int] = {}
        self._settled: dict[Partition, int] = {}
        self._settling: Mapping[Partition, CommittedOffset] = {}
        self._ends: Mapping[Partition, int] = {}  # as they were asked for last
        self._skipper = UndecodableSkipper(
            membership.consumer, lambda: self.seek(self._handed_over)
        )

    def stop(self) -> None:
        """Let the lane end between two transactions; a fetch ends at once."""
        self._stopping.set()
        if self._fetching is not None:
            self._fetching.cancel()

    async def fence(self) -> None:
        self.raise_if_stopping()
        self._require_known_partitions()
        self._producer = make_producer(
            self.membership.settings, transactional_id=self.transactional_id
        )
        commit_as_member(self._producer, self._member)
        await self._translated(self._producer.start(), self._deadline())

    async def read_state(self) -> StateTables:
        try:
            await self.spec.catch_up()
        except BrokerError as error:
            raise OutcomeUnknownError(str(error)) from None
        room = self.spec.state_room
        if not self.state:
            return {}
        if room is None:
            return await self._read_tables()
        said = False
        while not room.reserve():
            if room.is_full and not said:
                log.warning("lane.waits", lane=self.transactional_id, why="no memory for its state")
                said = True
            await self.wait()
            self.raise_if_stopping()
        try:
            return await self._read_tables()
        finally:
            room.release()

    async def _read_tables(self) -> StateTables:
        settings = self.membership.settings
        try:
            admin = await self.membership.admin()
            return {
                topic: await read_table(settings, topic, index, admin=admin)
                for topic, index in self.state
            }
        except BrokerError as error:
            await self.membership.close_admin()
            raise OutcomeUnknownError(str(error)) from None

    async def committed_offsets(self) -> Mapping[Partition, CommittedOffset]:
        await self._ask_for_topics()
        tps = [TopicPartition(*p) for p in self.inputs]
        asking = stable_offsets(self.membership.consumer, self.membership.group, tps)
        found = await self._translated(asking, self._deadline())
        if self.spec.restart_lost_input:
            found = await self._replace_lost(found)
        committed = {}
        for partition in self.inputs:
            entry = found.get(TopicPartition(*partition))
            if entry is None:
                raise OffsetLostError(
                    f"group {self.membership.group} has no offset for "
                    f"{partition.topic}/{partition.partition}; {self.spec.lost_offset_remedy}"
                )
            committed[partition] = CommittedOffset(entry.offset, entry.metadata or "")
        return committed

    def _require_known_partitions(self) -> None:
        """Raise OffsetLostError if an input is a partition that somebody else has added."""
        self._require_none(find_unknown_partition(self.inputs, self.spec.known_topics()))

    async def _ask_for_topics(self) -> None:
        """Raise OffsetLostError if an input topic is not the one that it should be now."""
        topics = self.spec.known_topics().keys() & {partition.topic for partition in self.inputs}
        try:
            await self.membership.read_topic_ids(topics)
        except BrokerError as error:
            raise OutcomeUnknownError(str(error)) from None
        self._require_known_topics()

    def _require_known_topics(self) -> None:
        """Raise OffsetLostError if an input topic is another one, by the ids that were read last:
        its offsets are not those that the lane knows."""
        found = self.membership.topic_ids
        self._require_none(find_changed_topic(self.inputs, self.spec.known_topics(), found))

    def _require_none(self, problem: str | None) -> None:
        if problem is not None:
            raise OffsetLostError(f"{problem}; {self.spec.changed_topic_remedy}")

    async def _replace_lost(
        self, found: Mapping[TopicPartition, Any]
    ) -> Mapping[TopicPartition, Any]:
        """Return the offsets, with the start of the log for each that is missing or outside of the
        log."""
        tps = [TopicPartition(*p) for p in self.inputs]
        try:
            admin = await self.membership.admin()
            starts, ends = await admin.start_offsets(tps), await admin.end_offsets(tps)
        except BrokerError as error:
            await self.membership.close_admin()
            raise OutcomeUnknownError(str(error)) from None
        kept = {tp: e for tp, e in found.items() if starts[tp] <= e.offset <= ends[tp]}
        for tp in found.keys() - kept.keys():
            log.warning("lane.lost", partition=f"{tp.topic}/{tp.partition}", at=starts[tp])
        return {tp: kept.get(tp) or OffsetAndMetadata(starts[tp], "") for tp in tps}

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        consumer = self.membership.consumer
        self._assignment = current_assignment(consumer)
        if self._assignment is None:  # the group has changed its subscription: a rebalance follows
            raise LaneStoppedError
        try:
            for partition, offset in offsets.items():
                consumer.seek(TopicPartition(*partition), offset)
            consumer.resume(*(TopicPartition(*p) for p in offsets))
        except IllegalStateError:
            raise LaneStoppedError from None
        self._handed_over = {**self._handed_over, **offsets}
        if not self.is_open:
            self._settled = dict(offsets)
        self.is_open = True

    async def wait_if_paused(self) -> bool:
        self._require_known_topics()
        # The consumer stays in the group without a fetch: heartbeats are sent all the same.
        if not self.spec.is_paused():
            return False
        await self.wait()
        return True

    async def wait(self, at_most: float | None = None) -> None:
        await self._wait(_POLL_SECONDS if at_most is None else min(_POLL_SECONDS, at_most))
        self.meter.turned = self.meter.began = time.monotonic()

    async def fetch(
        self,
        *,
        wait: bool = True,
        at_most: float | None = None,
        only: Collection[Partition] | None = None,
    ) -> Sequence[Record]:
        self.raise_if_stopping()
        tps = [TopicPartition(*p) for p in (self.inputs if only is None else only)]
        if not tps:  # to aiokafka that would mean all of them
            return ()
        longest = _POLL_SECONDS if at_most is None else min(_POLL_SECONDS, at_most)
        batches = await self._skipper.poll(tps, partial(self._poll, wait, longest))
        self._handed_over = dict(self.positions())
        meter = self.meter
        meter.turned = meter.began = time.monotonic()
        if batches and meter.oldest is None:
            meter.oldest = min(records[0].timestamp for records in batches.values()) / 1000
        if len(batches) == 1:
            (records,) = batches.values()
            return records
        return [record for records in batches.values() for record in records]

    async def _poll(
        self,
        wait: bool,
        longest: float,
        partitions: Sequence[TopicPartition],
        max_records: int | None,
    ) -> Batches:
        # One record at a time: an input without records must not spin.
        seconds = longest if wait or max_records is not None else 0
        self._fetching = asyncio.ensure_future(
            self.membership.consumer.getmany(
                *partitions, timeout_ms=seconds * 1000, max_records=max_records
            )
        )
        try:
            batches: Batches = await self._fetching
            return batches
        except asyncio.CancelledError:
            self.raise_if_stopping()  # raises if stop() has cancelled the fetch
            raise
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            raise OffsetLostError(
                f"{type(error).__name__} {error}; {self.spec.lost_offset_remedy}"
            ) from None
        except IllegalStateError:
            raise LaneStoppedError from None
        except KafkaError as error:
            right = missing_right(error, "Read")
            text = f"{type(error).__name__}: {error}" if right is None else denial_text(right)
            raise OutcomeUnknownError(text) from None
        finally:
            self._fetching = None

    def positions(self) -> Mapping[Partition, int]:
        # Of the assignment that we have seeked in: a newer one may have other positions.
        positions = assigned_positions(self._assignment, self.inputs)
        if positions is None:
            raise LaneStoppedError
        return dict(zip(self.inputs, positions, strict=True))

    def unread(self) -> Mapping[Partition, int]:
        found = unread_offsets(self._assignment, self.inputs, self._ends)
        return dict(zip(self.inputs, found, strict=True))

    def lag(self) -> int:
        """Return how many offsets of the inputs are not settled, as far as the last fetches have
        told; 0 while the lane is not open."""
        if not self.is_open:
            return 0
        fetched = sum(self._handed_over.get(p, 0) - self._settled.get(p, 0) for p in self.inputs)
        return sum(self.unread().values()) + max(0, fetched)

    def read_age(self) -> float | None:
        """Return how many seconds ago every input had been handed over to its end; None if one has
        not. The age is that of the oldest last fetch, by our own clock."""
        if not self.is_open:
            return None
        reached_at = stable_end_reached_at(self._assignment, self.inputs)
        return None if reached_at is None else max(0.0, time.time() - reached_at)

    async def offsets_of(self, group: str) -> Mapping[Partition, int | None]:
        found = await self._asked(ClusterAdmin.committed_offsets, group)
        return {Partition(*tp): committed and committed.offset for tp, committed in found.items()}

    async def ends(self) -> Mapping[Partition, int]:
        found = await self._asked(ClusterAdmin.end_offsets)
        self._ends = {Partition(*tp): end for tp, end in found.items()}
        return self._ends

    async def _asked(
        self, request: Callable[..., Awaitable[Mapping[TopicPartition, Any]]], *about: str
    ) -> Mapping[TopicPartition, Any]:
        """Return the answer to a request of the admin client about all inputs."""
        try:
            admin = await self.membership.admin()
            return await request(admin, *about, [TopicPartition(*p) for p in self.inputs])
        except BrokerError as error:
            await self.membership.close_admin()
            raise OutcomeUnknownError(str(error)) from None

    async def begin(self) -> None:
        # One deadline for the whole transaction, below its time-out, after which it may be aborted.
        self._transaction_ends = self._deadline()
        self._transaction_began = time.monotonic()
        await self._translated(self._started().begin_transaction(), self._transaction_ends)

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        producer, now = self._started(), int(time.time() * 1000)
        self._settling = offsets
        written = {partition: out for partition, out in writes.items() if out}
        producing = [
            send_records(producer, partition, out, now, placed=partition in placed)
            for partition, out in written.items()
        ]
        committing = producer.send_offsets_to_transaction(
            {
                TopicPartition(*p): OffsetAndMetadata(c.offset, c.metadata)
                for p, c in offsets.items()
            },
            self.membership.group,
        )
        # Concurrently: that saves one round trip for each batch.
        sending = await_all([*producing, committing])
        answers = await self._translated(sending, self._transaction_ends)
        if not placed:
            return {}
        return {p: found for p, found in zip(written, answers, strict=False) if p in placed}

    async def commit(self) -> None:
        await self._translated(self._started().commit_transaction(), self._transaction_ends)
        self._settled |= {place: committed.offset for place, committed in self._settling.items()}
        self.meter.turned = now = time.monotonic()
        self.meter.transaction_seconds.observe(now - self._transaction_began)
        if all(self._settled.get(p, 0) >= end for p, end in self._handed_over.items()):
            self.meter.oldest = None

    async def force_close(self) -> None:
        self.is_open = False
        producer, self._producer = self._producer, None
        if producer is not None:
            await force_close_client(producer)

    async def close(self) -> None:
        self.is_open = False
        producer, self._producer = self._producer, None
        if producer is not None:
            # Nothing is in flight: there is nothing to wait for.
            await close_client(producer, patience=1)

    async def withdraw(self) -> None:
        producer, consumer = self._producer, self.membership.consumer
        if producer is not None:
            with suppress(OutcomeUnknownError, FencedError):
                await self._translated(producer.abort_transaction(), self._deadline(at_most=1))
        await self.force_close()
        if current_member(consumer) == self._member:  # else it has joined again
            rejoin_group(consumer)

    async def confirm_ownership(self) -> bool:
        while not self._stopping.is_set():
            answer = await self.membership.heartbeat()
            if answer is not None:
                return answer and not self._stopping.is_set()
            await self._wait(0.5)
        return False

    async def wait_before_restart(self, failures: int) -> None:
        await self._wait(_RESTART_BACKOFF.delay(failures))

    async def _translated(self, request: Awaitable[Any], deadline: float) -> Any:
        """Return the answer to a request, or raise one of the port's errors."""
        try:
            with translated_errors(self._no_answer):
                async with asyncio.timeout_at(deadline):
                    return await request
        except MembershipOverError as error:
            raise ExpelledError(str(error)) from None
        except ProducerFencedError as error:
            raise FencedError(str(error)) from None
        except RecordRejectedError as error:
            raise WriteRejectedError(str(error)) from None
        except (DeadlineExceededError, TransactionFailedError) as error:
            raise OutcomeUnknownError(str(error)) from None

    def _no_answer(self) -> str:
        waits = unanswered_requests(self._producer) if self._producer is not None else ()
        about = f": it waits for {'; '.join(waits)}" if waits else ""
        return f"no answer within {self.membership.settings.deadline:g} s{about}"

    def _deadline(self, at_most: float = inf) -> float:
        seconds = min(self.membership.settings.deadline, at_most)
        return asyncio.get_running_loop().time() + seconds

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise LaneStoppedError
        return self._producer

    def raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise LaneStoppedError

    async def _wait(self, seconds: float) -> None:
        """Wait, or return at once when the lane is to end."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
