"""How do a version and the boundaries of it become visible at once, so that no reader passes a
boundary before it can read the version?

1. The producer of versions starts under `names.router_transactional_id`. That fences every other
   router and settles its transaction.
2. **Then** the boundary transactions that earlier routers may have left are ended, and our own
   boundary producer starts. In this order a router has always lost the right to publish before its
   boundary transaction is ended. The transactional id of a boundary transaction contains the
   producer epoch of step 1: a router that has lost, and does not know it yet, cannot end the
   winner's.
3. and 4.: see `farandole.router.version_publisher`.
5. The transaction of the version begins with the first offset of each new input: the end of its
   partition now. What is written between there and the boundary belongs to older versions, and the
   new input skips it.
6. One transaction of the boundary producer writes a marker into every partition of every event
   topic that an earlier version had too. The offset of the marker is the partition's boundary.
   While that transaction is open, no reader of committed records gets past it. (A topic that is new
   to the pipeline begins at its first offset, so that a root from before the first apply is not
   lost.)
7. The version, and the installation if there is none, are written, and the first transaction
   commits. A router that dies or is fenced before that has published nothing. The time-out of this
   transaction is well below that of the boundary transaction, and our own deadlines are below both.
8. The version is read back in the way that its readers read it.
9. The boundary transaction is aborted, so nobody ever sees its markers. A record at or behind a
   boundary can therefore be read only when the version can be read too.

If the outcome of step 7 is unknown, the producer of versions is started once more before step 9:
that settles whatever the broker still has of us. A router that dies in between leaves its
transactions to the next plan, which ends them when they hold its readers back, or to the time-out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from farandole.broker.broker_errors import BrokerError, ProducerFencedError
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.transactions import FencedProducer, fenced_producer
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.topology_version import INSTALLATION_KEY, EventSpec, Installation, Version

log = structlog.get_logger()

# Seconds. The transaction of the version must have ended before the boundary transaction can end by
# its time-out, and Kafka may check only every ten seconds for transactions past theirs.
_VERSION_TIMEOUT_SECONDS = 3.0
_VERSION_TIMEOUT_PER_STAGE = 0.05  # the first offsets of a stage take about 0.01
_BOUNDARY_TIMEOUT_MARGIN = 12.0
_PREPARE_TIMEOUT_SECONDS = 2.0  # from the first marker until the commit is requested
_ANSWER_TIMEOUT_SECONDS = 3.0  # for the commit, and again until the version can be read

_BOUNDARY_MARKER = b"farandole.boundary"


@dataclass(frozen=True, slots=True)
class PublishTransaction:
    """The settings of the two transactions that publish a version."""

    settings: Settings
    stages: int
    """The number of stages of the version: each takes a little longer."""

    @property
    def version_timeout(self) -> float:
        """The time-out of the transaction of the version, in seconds."""
        return _VERSION_TIMEOUT_SECONDS + _VERSION_TIMEOUT_PER_STAGE * self.stages

    @property
    def boundary_timeout(self) -> float:
        """The time-out of the boundary transaction, in seconds."""
        return self.version_timeout + _BOUNDARY_TIMEOUT_MARGIN


@dataclass(frozen=True, slots=True)
class PreparedVersion:
    """Everything that a version needs, except its boundaries."""

    version: Version
    is_first: bool
    """True if nothing was ever published here: then the installation is written too."""
    starts: Mapping[TopicPartition, int]
    """The boundaries in topics that are new to the pipeline."""
    marked: tuple[TopicPartition, ...]
    """The other partitions: the boundary of each is the offset of its marker."""
    first_offsets: Mapping[str, Mapping[TopicPartition, int]]
    """The first offset in each partition of a new input, by consumer group."""
    topology_end: int
    """The end of the topology topic before the version is written."""


class TooSlowError(Exception):
    """Nothing was published, because readers would have waited at the boundaries for too long."""


@asynccontextmanager
async def started_producers(
    transaction: PublishTransaction,
) -> AsyncIterator[tuple[FencedProducer, FencedProducer]]:
    """Start the producer of the version, then that of the boundary markers (steps 1 and 2)."""
    async with version_producer(transaction) as publisher:
        await _end_boundary_transactions(transaction, publisher.epoch)
        async with boundary_producer(transaction, publisher.epoch) as marker:
            yield publisher, marker


async def end_unfinished_publication(settings: Settings) -> None:
    """Abort the transactions of a router that died while it published, so that readers get past
    them. Raises the errors of `open_client`."""
    transaction = PublishTransaction(settings, stages=0)
    async with version_producer(transaction) as publisher:
        await _end_boundary_transactions(transaction, publisher.epoch)


async def _end_boundary_transactions(transaction: PublishTransaction, epoch: int) -> None:
    # Settling the transaction of another router takes Kafka up to two epochs more.
    earlier = range(max(0, epoch - 3), epoch)
    await asyncio.gather(*(_end_boundary_transaction(transaction, before) for before in earlier))


async def _end_boundary_transaction(transaction: PublishTransaction, epoch: int) -> None:
    """Abort the boundary transaction of an earlier router: starting its producer does that."""
    async with boundary_producer(transaction, epoch):
        pass


def version_producer(
    transaction: PublishTransaction,
) -> AbstractAsyncContextManager[FencedProducer]:
    transactional_id = transaction.settings.names.router_transactional_id
    return fenced_producer(
        transaction.settings, transactional_id, timeout=transaction.version_timeout
    )


def boundary_producer(
    transaction: PublishTransaction, epoch: int
) -> AbstractAsyncContextManager[FencedProducer]:
    transactional_id = transaction.settings.names.boundary_transactional_id(epoch)
    return fenced_producer(
        transaction.settings, transactional_id, timeout=transaction.boundary_timeout
    )


async def publish_prepared(
    transaction: PublishTransaction,
    prepared: PreparedVersion,
    publisher: FencedProducer,
    marker: FencedProducer,
    attempts: list[Version],
) -> float:
    """Do steps 5 to 9, and return how many milliseconds readers waited at the boundaries. The
    version is added to `attempts` before it is written."""
    settings = transaction.settings
    topology = settings.names.topology_topic
    place = TopicPartition(topology, 0)
    async with _topology_reader(settings, place, prepared.topology_end) as reader:
        # Loaded before any reader has to wait.
        await publisher.learn_topics([topology])
        await marker.learn_topics(sorted({tp.topic for tp in prepared.marked}))
        # True once Kafka can do nothing more for us under `names.router_transactional_id`.
        settled = False
        try:
            await _begin_version_transaction(publisher, prepared)
            began = time.monotonic()
            try:
                async with asyncio.timeout(_PREPARE_TIMEOUT_SECONDS):
                    boundaries = await _write_boundary_markers(marker, prepared)
                    version = _with_boundaries(prepared.version, boundaries)
                    attempts.append(version)
                    await _write_version(settings, publisher, prepared, version)
            except TimeoutError:
                raise TooSlowError(
                    f"not ready to commit within {_PREPARE_TIMEOUT_SECONDS:g} s"
                ) from None
            if time.monotonic() - began > 2 * _PREPARE_TIMEOUT_SECONDS:  # the process was frozen
                raise TooSlowError("this process stood still")
            await publisher.commit(within=_ANSWER_TIMEOUT_SECONDS)
            await with_deadline(
                _read_back(reader, place, version), _ANSWER_TIMEOUT_SECONDS, "read the version back"
            )
            settled = True
        except ProducerFencedError:
            # The router that fences us has waited until our transaction had ended.
            settled = True
            raise
        finally:
            if settled or await _settle_version_transaction(transaction):
                await _abort_boundary_transaction(transaction, marker)
        return (time.monotonic() - began) * 1000 if prepared.marked else 0.0


async def _write_boundary_markers(
    marker: FencedProducer, prepared: PreparedVersion
) -> dict[TopicPartition, int]:
    """Return the boundary of each partition of the version (step 6)."""
    if not prepared.marked:
        return dict(prepared.starts)
    await marker.begin()
    name = prepared.version.name.encode()
    offsets = await asyncio.gather(
        *(marker.mark(tp, _BOUNDARY_MARKER, name) for tp in prepared.marked)
    )
    return {**prepared.starts, **dict(zip(prepared.marked, offsets, strict=True))}


def _with_boundaries(version: Version, boundaries: Mapping[TopicPartition, int]) -> Version:
    def bounded(event: EventSpec) -> EventSpec:
        tps = [TopicPartition(event.topic, index) for index in range(event.partitions)]
        return event.model_copy(update={"boundaries": tuple(boundaries[tp] for tp in tps)})

    events = {name: bounded(event) for name, event in version.events.items()}
    return version.model_copy(update={"events": events})


async def _begin_version_transaction(publisher: FencedProducer, prepared: PreparedVersion) -> None:
    """Begin the transaction of the version with what does not depend on boundaries (step 5)."""
    await publisher.begin()
    for group, offsets in prepared.first_offsets.items():
        await publisher.add_offsets(group, offsets)


async def _write_version(
    settings: Settings, publisher: FencedProducer, prepared: PreparedVersion, version: Version
) -> None:
    """Write the version, and the installation if there is none (step 7, without the commit)."""
    records = [OutgoingRecord(version.name.encode(), version.model_dump_json().encode())]
    if prepared.is_first:
        installation = Installation(id=version.installation, created=version.published)
        row = OutgoingRecord(INSTALLATION_KEY, installation.model_dump_json().encode())
        records.insert(0, row)
    topology = Partition(settings.names.topology_topic, 0)
    await publisher.send({topology: records}, int(time.time() * 1000))


@asynccontextmanager
async def _topology_reader(
    settings: Settings, place: TopicPartition, offset: int
) -> AsyncIterator[AIOKafkaConsumer]:
    async with open_client(make_consumer(settings), settings) as reader:
        reader.assign([place])
        reader.seek(place, offset)
        yield reader


async def _read_back(reader: AIOKafkaConsumer, place: TopicPartition, version: Version) -> None:
    """Read until the version comes, whatever else others have written meanwhile."""
    wanted = version.name.encode()
    position: int = await reader.position(place)
    skipper = UndecodableSkipper(reader, lambda: reader.seek(place, position))

    async def poll(partitions: Sequence[TopicPartition], limit: int | None) -> Batches:
        found: Batches = await reader.getmany(*partitions, timeout_ms=100, max_records=limit)
        return found

    while True:
        batches = await skipper.poll([place], poll)
        position = await reader.position(place)
        if any(record.key == wanted for records in batches.values() for record in records):
            return


async def _settle_version_transaction(transaction: PublishTransaction) -> bool:
    """Let Kafka commit or abort our open transaction. Return False if it does not answer."""
    try:
        async with version_producer(transaction):
            return True
    except BrokerError as error:
        log.warning("router.unsettled", why=str(error), hold_timeout=transaction.boundary_timeout)
        return False


async def _abort_boundary_transaction(
    transaction: PublishTransaction, marker: FencedProducer
) -> None:
    """Abort the boundary transaction (step 9). If that fails, its time-out or the next router
    ends it."""
    if not marker.is_open:
        return  # no marker was written, or another router has ended it
    try:
        try:
            await marker.abort(within=_ANSWER_TIMEOUT_SECONDS)
        except ProducerFencedError:
            pass  # another router has ended it
        except BrokerError:
            async with started_producers(transaction):
                pass  # starting aborts it, and this order makes sure that it is ours
    except BrokerError as error:
        log.warning("router.hold_left", why=str(error), hold_timeout=transaction.boundary_timeout)
