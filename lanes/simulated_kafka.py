"""How does Kafka behave in one exact order of events, without a broker?

A model of the parts of Kafka that the lane protocol relies on: producer epochs, transactions with
their two-phase end, the last stable offset, committed offsets, group generations, and topics that
others widen, delete or create again. It has no threads and no clock of its own: every call of a
SimulatedPort is one or more steps, and whoever drives the port decides what happens between two of
them. Simulations let lanes die there; `farandole.testing` runs whole pipelines over it. Contract
tests compare the model with the real broker.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple

from farandole.events.header_codec import decode_headers
from farandole.events.record import (
    Header,
    OutgoingRecord,
    Partition,
    PartitionWrites,
    Record,
    UndecodableRecord,
)
from farandole.lanes.known_topics import KnownTopic, find_changed_topic, find_unknown_partition
from farandole.lanes.lane_port import (
    CommittedOffset,
    ExpelledError,
    FencedError,
    LaneStoppedError,
    OffsetLostError,
    OutcomeUnknownError,
    PlacedOffsets,
    StateTables,
)

SimulationStep = Generator[str, BaseException | None, None]

TakeStep = Callable[[str], Awaitable[None]]
"""Called with the name of each step of a port, before the step is taken."""


@types.coroutine
def simulation_step(label: str) -> SimulationStep:
    """Yield to the driver. If it answers with an exception, raise that."""
    error = yield label
    if error is not None:
        raise error


class SimulatedRecord(NamedTuple):
    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[Header] = ()
    timestamp: int = 0


@dataclass(slots=True)
class _LogEntry:
    outgoing: OutgoingRecord | UndecodableRecord | None  # None for a transaction marker
    transaction: SimulatedTransaction | None = None
    timestamp: int = 0
    decoded: Record | None = None
    """The record as readers get it, once one has read it."""


@dataclass(slots=True, eq=False)
class SimulatedTransaction:
    """`prepared`: its commit is acknowledged, its markers are not yet written."""

    state: Literal["open", "prepared", "committed", "aborted"] = "open"
    touched: set[Partition] = field(default_factory=set)
    offsets: dict[tuple[str, Partition], CommittedOffset] = field(default_factory=dict)


@dataclass(slots=True)
class _SimulatedProducer:
    epoch: int = -1
    transaction: SimulatedTransaction | None = None


@dataclass(slots=True)
class CutOffCoordinator:
    """A group coordinator that was cut off from the other brokers: it answers from what it knew
    then, while another broker has taken its place."""

    offsets: Mapping[tuple[str, Partition], CommittedOffset]
    generations: Mapping[str, int]


def _no_time() -> int:
    return 0


class SimulatedTopic(NamedTuple):
    id: str
    partitions: int


@dataclass(slots=True)
class SimulatedKafka:
    """One cluster: logs, transaction coordinator, group coordinator."""

    logs: dict[Partition, list[_LogEntry]] = field(default_factory=dict)
    offsets: dict[tuple[str, Partition], CommittedOffset] = field(default_factory=dict)
    producers: dict[str, _SimulatedProducer] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    """By transactional id, the generation of the member that owns the partition now."""
    clock: Callable[[], int] = _no_time
    """Returns the time that transactions give their records, in milliseconds of the epoch."""
    topics: dict[str, SimulatedTopic | None] = field(default_factory=dict)
    """What was created here; None for what is deleted. Any other topic has any partition, and no
    id."""
    _created: int = 0
    _unstable: dict[Partition, dict[SimulatedTransaction, int]] = field(default_factory=dict)
    """By partition and transaction that has not ended, the first offset that it wrote."""

    def cut_off(self) -> CutOffCoordinator:
        """Return the group coordinator of now, which learns of nothing from now on."""
        return CutOffCoordinator(dict(self.offsets), dict(self.generations))

    def has_pending_offset(self, group: str, partition: Partition) -> bool:
        """Return True if a transaction that has not ended has an offset of this partition."""
        return any(
            producer.transaction is not None and (group, partition) in producer.transaction.offsets
            for producer in self.producers.values()
        )

    # -- topics

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic, which gets an id that no topic has had."""
        self._created += 1
        self.topics[topic] = SimulatedTopic(f"{topic}#{self._created}", partitions)

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Widen a topic to this number of partitions."""
        found = self.topics[topic]
        assert found is not None
        self.topics[topic] = found._replace(partitions=partitions)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic with its records, and what groups have committed in it. What an open
        transaction will commit there is not forgotten."""
        self.topics[topic] = None
        for partition in [p for p in self.logs if p.topic == topic]:
            del self.logs[partition]
            self._unstable.pop(partition, None)
        self.offsets = {at: found for at, found in self.offsets.items() if at[1].topic != topic}

    def topic_ids(self) -> dict[str, str]:
        return {name: topic.id for name, topic in self.topics.items() if topic is not None}

    def widths(self) -> dict[str, int]:
        """Return the partition count of each topic that was created and exists."""
        return {name: topic.partitions for name, topic in self.topics.items() if topic is not None}

    def exists(self, partition: Partition) -> bool:
        if partition.topic not in self.topics:
            return True
        topic = self.topics[partition.topic]
        return topic is not None and partition.partition < topic.partitions

    # -- the log

    def log(self, partition: Partition) -> list[_LogEntry]:
        return self.logs.setdefault(partition, [])

    def append(self, partition: Partition, outgoing: OutgoingRecord, timestamp: int = 0) -> None:
        """Write a record outside of any transaction."""
        self.log(partition).append(_LogEntry(outgoing, timestamp=timestamp))

    def append_undecodable(self, partition: Partition) -> None:
        """Write a record that no client of ours can decode."""
        log = self.log(partition)
        log.append(_LogEntry(UndecodableRecord(*partition, len(log))))

    def last_stable_offset(self, partition: Partition) -> int:
        """Return the offset up to which (exclusive) every transaction has ended."""
        unstable = self._unstable.get(partition)
        return min(unstable.values()) if unstable else len(self.log(partition))

    def read_committed(
        self, partition: Partition, start: int = 0, most: int | None = None
    ) -> list[Record]:
        """Return the committed records of a partition from `start` on, `most` of them at most."""
        offsets = range(start, self.last_stable_offset(partition))
        return list(islice(self._committed(partition, self.log(partition), offsets), most))

    def read_deleted(self, partition: Partition, log: Sequence[_LogEntry]) -> list[Record]:
        """Return the committed records of a partition of a deleted topic, whose log this was."""
        return list(self._committed(partition, log, range(len(log))))

    def _committed(
        self, partition: Partition, log: Sequence[_LogEntry], offsets: range
    ) -> Iterator[Record]:
        return (
            entry.decoded or _decode(entry, partition, offset)
            for offset in offsets
            if (entry := log[offset]).outgoing is not None
            and (entry.transaction is None or entry.transaction.state == "committed")
        )

    # -- transactions

    def init(self, transactional_id: str) -> int:
        """Return a new epoch; abort the predecessor's transaction, or complete its prepared end."""
        producer = self.producers.setdefault(transactional_id, _SimulatedProducer())
        self._finish(producer)
        producer.epoch += 1
        return producer.epoch

    def begin(self, transactional_id: str, epoch: int) -> SimulatedTransaction:
        producer = self._owned(transactional_id, epoch)
        self._complete(producer)
        producer.transaction = SimulatedTransaction()
        return producer.transaction

    def produce(
        self, transactional_id: str, epoch: int, partition: Partition, out: Sequence[OutgoingRecord]
    ) -> range:
        """Write records in the open transaction and return their offsets."""
        transaction = self._current(transactional_id, epoch)
        if not self.exists(partition):
            raise OutcomeUnknownError(f"{partition} does not exist")  # so a client asks on and on
        log = self.log(partition)
        start = len(log)
        transaction.touched.add(partition)
        self._unstable.setdefault(partition, {}).setdefault(transaction, start)
        now = self.clock()
        log.extend(_LogEntry(o, transaction, now) for o in out)
        return range(start, len(log))

    def add_offsets(
        self,
        transactional_id: str,
        epoch: int,
        group: str,
        offsets: Mapping[Partition, CommittedOffset],
        generation: int = -1,
    ) -> None:
        """`generation`: of the member that sends them; -1 for whoever is no member."""
        transaction = self._current(transactional_id, epoch)
        if generation not in (-1, self.generations.get(transactional_id, generation)):
            raise ExpelledError(f"{transactional_id}: generation {generation} is over")
        transaction.offsets |= {(group, p): c for p, c in offsets.items()}

    def commit(self, transactional_id: str, epoch: int) -> None:
        self._current(transactional_id, epoch).state = "prepared"

    def abort(self, transactional_id: str, epoch: int) -> None:
        self._current(transactional_id, epoch)
        self._finish(self.producers[transactional_id])

    def complete(self, transactional_id: str) -> None:
        """Write the markers of a prepared transaction, as the coordinator does."""
        self._complete(self.producers[transactional_id])

    def expire(self, transactional_id: str) -> None:
        """Let the transaction time out: abort it, and fence its owner although it is alive."""
        producer = self.producers[transactional_id]
        if producer.transaction and producer.transaction.state == "open":
            self._finish(producer)
            producer.epoch += 1

    def _owned(self, transactional_id: str, epoch: int) -> _SimulatedProducer:
        producer = self.producers[transactional_id]
        if producer.epoch != epoch:
            raise FencedError(transactional_id)
        return producer

    def _current(self, transactional_id: str, epoch: int) -> SimulatedTransaction:
        transaction = self._owned(transactional_id, epoch).transaction
        if transaction is None or transaction.state != "open":
            raise FencedError(f"{transactional_id}: no open transaction")
        return transaction

    def _finish(self, producer: _SimulatedProducer) -> None:
        self._complete(producer)
        if producer.transaction:
            self._end(producer, "aborted")

    def _complete(self, producer: _SimulatedProducer) -> None:
        if producer.transaction and producer.transaction.state == "prepared":
            self.offsets |= producer.transaction.offsets
            self._end(producer, "committed")

    def _end(self, producer: _SimulatedProducer, state: Literal["committed", "aborted"]) -> None:
        transaction, producer.transaction = producer.transaction, None
        assert transaction is not None
        transaction.state = state
        for partition in filter(self.exists, transaction.touched):
            self._unstable.get(partition, {}).pop(transaction, None)
            self.log(partition).append(_LogEntry(None))


def _decode(entry: _LogEntry, partition: Partition, offset: int) -> Record:
    outgoing = entry.outgoing
    assert outgoing is not None  # a marker is no record
    if isinstance(outgoing, UndecodableRecord):
        entry.decoded = outgoing
    else:
        headers = decode_headers(outgoing.headers)
        entry.decoded = SimulatedRecord(
            *partition, offset, outgoing.value, outgoing.key, headers, entry.timestamp
        )
    return entry.decoded


async def _nothing_to_read() -> None:
    pass


@dataclass(slots=True)
class SimulatedPort:
    """`farandole.lanes.lane_port.LanePort` over a SimulatedKafka."""

    kafka: SimulatedKafka
    group: str
    transactional_id: str
    inputs: Sequence[Partition]
    generation: int
    most: int = 3  # records a fetch
    state: Sequence[Partition] = ()
    stopping: bool = False
    cut_off: CutOffCoordinator | None = None
    """What answers heartbeats and offset requests of a worker whose coordinator was cut off."""
    is_misled: bool = False
    """The next offsets are refused by a broker that wrongly believes to be the coordinator."""
    has_withdrawn: bool = False
    """True once the lane wants its worker to join the group again."""
    known_topics: Callable[[], Mapping[str, KnownTopic]] = dict
    """Returns what the host of the lane knows now of the input topics."""
    is_paused: Callable[[], bool] = bool
    """Returns True while the lane is to take no event."""
    step: TakeStep = simulation_step
    """Takes each step of this port; by default the driver of the lane's coroutine does."""
    catch_up: Callable[[], Awaitable[object]] = _nothing_to_read
    """As that of a `farandole.lanes.lane_spec.LaneSpec`."""
    waits_at_most: float | None = None
    """What the last call of `wait`, or of `fetch` that waited, has said."""
    _epoch: int = -1
    _positions: dict[Partition, int] = field(default_factory=dict)
    _topic_ids: dict[str, str] = field(default_factory=dict)

    def read_topic_ids(self) -> None:
        """Read the ids of topics, as a group does every few seconds."""
        self._topic_ids |= self.kafka.topic_ids()

    async def fence(self) -> None:
        self.raise_if_stopping()
        _require_none(find_unknown_partition(self.inputs, self.known_topics()))
        await self.step("fence")
        self._epoch = self.kafka.init(self.transactional_id)
        await self.step("fenced")

    async def read_state(self) -> StateTables:
        await self.catch_up()
        tables = {}
        for partition in self.state:
            await self.step("table")
            rows: dict[bytes, bytes] = {}
            for record in self.kafka.read_committed(partition):
                if record.key is None:
                    continue  # no row
                if record.value is None:
                    rows.pop(record.key, None)
                else:
                    rows[record.key] = record.value
            tables[partition.topic] = rows
        return tables

    async def committed_offsets(self) -> Mapping[Partition, CommittedOffset]:
        await self.step("topic ids?")
        self.read_topic_ids()
        self._require_known_topics()
        await self.step("committed?")
        offsets = (self.cut_off or self.kafka).offsets
        found = {p: offsets.get((self.group, p)) for p in self.inputs}
        if any(self.kafka.has_pending_offset(self.group, p) for p in self.inputs):
            raise OutcomeUnknownError("the offset is in a transaction that has not ended")
        await self.step("committed!")
        missing = [p for p, c in found.items() if c is None]
        if missing:
            raise OffsetLostError(str(missing))
        return {p: c for p, c in found.items() if c is not None}

    async def offsets_of(self, group: str) -> Mapping[Partition, int | None]:
        await self.step("offsets?")
        found = {p: self.kafka.offsets.get((group, p)) for p in self.inputs}
        await self.step("offsets!")
        return {p: committed and committed.offset for p, committed in found.items()}

    async def ends(self) -> Mapping[Partition, int]:
        await self.step("ends?")
        found = {p: len(self.kafka.log(p)) for p in self.inputs}
        await self.step("ends!")
        return found

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        self._positions |= offsets

    async def wait_if_paused(self) -> bool:
        self._require_known_topics()
        if not self.is_paused():
            return False
        await self.wait()
        self.raise_if_stopping()
        return True

    def _require_known_topics(self) -> None:
        _require_none(find_changed_topic(self.inputs, self.known_topics(), self._topic_ids))

    async def wait(self, at_most: float | None = None) -> None:
        self.waits_at_most = at_most
        with suppress(Exception):  # no request, so no error
            await self.step("wait")

    async def fetch(
        self,
        *,
        wait: bool = True,
        at_most: float | None = None,
        only: Collection[Partition] | None = None,
    ) -> Sequence[Record]:
        self.raise_if_stopping()
        if wait:
            self.waits_at_most = at_most
        await self.step("fetch" if wait else "fetch what is there")
        self.raise_if_stopping()
        fetched: list[Record] = []
        for partition in self._positions if only is None else only:
            position = self._positions[partition]
            if not self.kafka.exists(partition):
                continue
            if position > len(self.kafka.log(partition)):
                raise OffsetLostError(f"{partition}: offset {position} is out of range")
            records = self.kafka.read_committed(partition, position, self.most)
            full = len(records) == self.most
            # The last stable offset is behind us in a topic that was created again.
            self._positions[partition] = (
                records[-1].offset + 1
                if full
                else max(position, self.kafka.last_stable_offset(partition))
            )
            fetched += records
        return fetched

    def unread(self) -> Mapping[Partition, int]:
        return {
            place: max(0, self.kafka.last_stable_offset(place) - position)
            for place, position in self._positions.items()
        }

    def positions(self) -> Mapping[Partition, int]:
        return dict(self._positions)

    async def begin(self) -> None:
        await self.step("begin")
        self.kafka.begin(self.transactional_id, self._epoch)

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        found: dict[Partition, Sequence[int]] = {}
        for partition, out in writes.items():
            await self.step("produce")
            offsets_of = self.kafka.produce(self.transactional_id, self._epoch, partition, out)
            if partition in placed:
                found[partition] = offsets_of
            await self.step("produced")
        await self.step("offsets")
        misled, self.is_misled = self.is_misled, False
        if misled:
            raise ExpelledError(f"{self.transactional_id}: unknown to a broker that was cut off")
        self.kafka.add_offsets(
            self.transactional_id, self._epoch, self.group, offsets, self.generation
        )
        await self.step("offsets sent")
        return found

    async def commit(self) -> None:
        await self.step("commit")
        self.kafka.commit(self.transactional_id, self._epoch)
        await self.step("committing")

    async def force_close(self) -> None:
        self._epoch = -1

    async def close(self) -> None:
        self._epoch = -1

    async def withdraw(self) -> None:
        with suppress(Exception):  # the transaction then stays open until its time-out
            await self.step("abort")
            self.kafka.abort(self.transactional_id, self._epoch)
        self._epoch = -1
        self.has_withdrawn = True

    async def confirm_ownership(self) -> bool:
        try:
            await self.step("heartbeat")
        except Exception:  # noqa: BLE001 -- no answer: the real port asks again
            return await self.confirm_ownership()
        return (
            not self.stopping
            and (self.cut_off or self.kafka).generations.get(self.transactional_id)
            == self.generation
        )

    async def wait_before_restart(self, failures: int) -> None:
        with suppress(Exception):  # no request, so no error
            await self.step("rest")

    def raise_if_stopping(self) -> None:
        if self.stopping:
            raise LaneStoppedError


def _require_none(problem: str | None) -> None:
    if problem is not None:
        raise OffsetLostError(problem)


class SimulatedLock:
    """The isolation lock, for lanes that one driver steps."""

    def __init__(self) -> None:
        self._taken = False

    async def __aenter__(self) -> None:
        while self._taken:
            await simulation_step("lock")
        self._taken = True

    async def __aexit__(self, *_: Any) -> None:
        self._taken = False
