"""How does a derived file become a pipeline's next version, whole or not at all, at a boundary that
no reader passes before it can read the version?

1. The producer of versions starts under `names.router_transactional_id`: that fences every other
router and settles its transaction.
2. **Then** the holds are ended that routers before us may have left, and the producer of our own
   starts. In this order a router has always lost the right to publish before its hold is taken
   away. The transactional id of a hold has the epoch of step 1 in it: a router that has lost, and
   does not know it yet, cannot take away the winner's.
3. **Then** the versions are read: read earlier, they could lack the one that the other published.
4. Topics that are missing are created; one whose partitions differ for another reason than a
   changed file is refused before anything is. All else is read that the version says.
5. The transaction of the version begins, with the first offset of each new edge: where its
   partition ends now. What comes in between there and the boundary belongs to older versions, and
   the new edge passes it over.
6. The hold: one transaction of the second producer writes a marker into every partition of every
   event topic that an earlier version had too. The offset of its marker is the partition's
   boundary, and while that transaction is open, no reader of what is committed gets past it. (A
   topic that is new to the pipeline begins at its first offset: a root from before the first apply
   is not to be lost.)
7. The version, and the installation if there is none, are written, and the first transaction
   commits. A router that dies or is fenced before that has published nothing. Its time-out is well
   below that of the hold, and our own deadlines are below both.
8. The version is read back as its readers will.
9. The hold is aborted: its markers were never there for anybody. So a record at or behind a
   boundary can be read only once the version can.

Where step 7 ends in the unknown, the first producer is started once more before the hold goes: it
settles what the broker may still have of us. A router that dies in between leaves its hold to the
router that comes next, or to the time-out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    BrokerError,
    DeadlineExceededError,
    ProducerFencedError,
    RecordRejectedError,
    TransactionFailedError,
)
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table
from farandole.broker.transactions import FencedProducer, fenced_producer
from farandole.catalog.topology_table import TopologyTable
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.topology_version import INSTALLATION_KEY, EventSpec, Installation, Version
from farandole.router.change_plan import drifted_configs, same_content
from farandole.router.topic_resolution import resolve_topics
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.topology_store import NotAppliedError, read_topology

log = structlog.get_logger()

_MAX_ATTEMPTS = 10  # each of several routers at once needs one of them, and is lost for the others
_RETRY_BACKOFF = Backoff(first=0.1, longest=1.6, jitter=1.0)
_OTHER_ROUTER_SECONDS = 2.0  # seconds that a router which has fenced us has before we fence it

# Seconds. The transaction of the version must have ended for certain before the hold can end by
# its time-out, and Kafka may look only every ten for those that are past theirs.
_VERSION_TIMEOUT_SECONDS = 3.0
_VERSION_TIMEOUT_PER_STAGE = 0.05  # the first offsets of a stage take some 0.01
_BOUNDARY_TIMEOUT_MARGIN = 12.0
_PREPARE_TIMEOUT_SECONDS = 2.0  # from the beginning of the hold until the commit is asked for
_ANSWER_TIMEOUT_SECONDS = 3.0  # to the commit, and again until the version can be read

_BOUNDARY_MARKER = b"farandole.boundary"


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The newest version, whether this call published it, the topics that this call created, and
    those whose configs it has repaired."""

    version: Version
    changed: bool
    created_topics: tuple[str, ...] = ()
    configured_topics: tuple[str, ...] = ()
    held_ms: float = 0.0
    """How long readers were held at the boundaries."""


@dataclass(frozen=True, slots=True)
class ExpectedState:
    """The state of things for which something was decided."""

    newest: int | None
    topics: Mapping[str, int]
    """Partitions of those of the file's topics that existed."""


async def publish_version(
    settings: Settings,
    derived: DerivedTopology,
    by: str,
    *,
    expected: ExpectedState | None = None,
    rollback_of: int | None = None,
) -> ApplyResult:
    """Publish a derived file as its pipeline's next version, unless it changes nothing, and give
    its topics the configs that it says.

    `by` says who did it, for people. Raises NotAppliedError, also where things are not as
    `expected` any more, TopicMismatchError where a topic has other partitions than versions
    remember, and the errors of `farandole.broker.kafka_clients.opened`."""
    job = _PublishJob(settings, derived, by, expected, rollback_of)
    for attempt in range(_MAX_ATTEMPTS):
        try:
            return await _try_publish(job)
        except _TooSlowError as slow:
            log.warning(
                "router.slow", pipeline=derived.pipeline, why=str(slow), attempt=attempt + 1
            )
        except DeadlineExceededError as error:
            raise NotAppliedError(
                f"{error}: whether the version was published is unknown; apply again, which tells"
            ) from None
        except (RecordRejectedError, TransactionFailedError, KafkaError) as error:
            raise NotAppliedError(f"Kafka refused the version: {error}; apply again") from None
        except ProducerFencedError:
            log.info("router.fenced", pipeline=derived.pipeline, attempt=attempt + 1)
            await _await_other_router(settings)
        await asyncio.sleep(_RETRY_BACKOFF.delay(attempt + 1))
    raise NotAppliedError(
        "other routers publish at the same time, or Kafka is very slow, and this one came too late "
        f"{_MAX_ATTEMPTS} times; apply again"
    )


async def _await_other_router(settings: Settings) -> None:
    """Return when the router that has fenced us has published, or has had time for it: two that
    fence each other at once would both get nowhere."""
    with suppress(TimeoutError, BrokerError):
        async with (
            asyncio.timeout(_OTHER_ROUTER_SECONDS),
            follow_table(settings, settings.names.topology_topic) as table,
        ):
            await table.changed()
            await table.changed()


@dataclass(slots=True)
class _PublishJob:
    """What is to be published, and what earlier tries of it have done."""

    settings: Settings
    derived: DerivedTopology
    by: str
    expected: ExpectedState | None = None
    rollback_of: int | None = None
    created: tuple[str, ...] = ()
    attempts: list[Version] = field(default_factory=list)

    @property
    def version_timeout(self) -> float:
        return _VERSION_TIMEOUT_SECONDS + _VERSION_TIMEOUT_PER_STAGE * len(self.derived.stages)

    @property
    def hold_timeout(self) -> float:
        return self.version_timeout + _BOUNDARY_TIMEOUT_MARGIN


class _TooSlowError(Exception):
    """Nothing was published, because readers would have been held for too long."""


@asynccontextmanager
async def _started_producers(
    job: _PublishJob,
) -> AsyncIterator[tuple[FencedProducer, FencedProducer]]:
    """The producers of versions and of the hold, started in this order."""
    async with _version_producer(job) as writer:
        epoch = writer.epoch
        # To settle what another left takes Kafka up to two epochs more than our own.
        await asyncio.gather(
            *(_end_boundary_transaction(job, before) for before in range(epoch - 3, epoch))
        )
        async with _boundary_producer(job, epoch) as holder:
            yield writer, holder


async def _end_boundary_transaction(job: _PublishJob, epoch: int) -> None:
    """To start is to abort what was begun."""
    if epoch >= 0:
        async with _boundary_producer(job, epoch):
            pass


def _version_producer(job: _PublishJob) -> AbstractAsyncContextManager[FencedProducer]:
    transactional_id = job.settings.names.router_transactional_id
    return fenced_producer(job.settings, transactional_id, timeout=job.version_timeout)


def _boundary_producer(job: _PublishJob, epoch: int) -> AbstractAsyncContextManager[FencedProducer]:
    transactional_id = job.settings.names.boundary_transactional_id(epoch)
    return fenced_producer(job.settings, transactional_id, timeout=job.hold_timeout)


async def _try_publish(job: _PublishJob) -> ApplyResult:
    async with _started_producers(job) as (writer, holder):
        table = await read_topology(job.settings)
        newest = table.newest(job.derived.pipeline)
        async with ClusterAdmin.open(job.settings) as admin:
            existing = await admin.topics()
            versions = table.of(job.derived.pipeline)
            derived = resolve_topics(job.derived, versions, existing, job.settings.names)
            if newest is None or not same_content(newest, derived):
                _check_expected_state(job, derived, newest, existing)
                prepared = await _prepare_version(job, derived, table, admin, existing)
                held = await _publish_prepared(job, prepared, writer, holder)
                version, changed = job.attempts[-1], True
            else:
                # Published by a try of ours whose end we did not hear?
                version, changed, held = newest, newest in job.attempts, 0.0
                await _create_topics(job, derived, admin, existing)
            repaired = await _repair_configs(derived, admin)
    if changed:
        log.info(
            "router.published",
            version=version.name,
            by=job.by,
            created=len(job.created),
            held_ms=round(held, 1),
        )
    return ApplyResult(version, changed, job.created, repaired, held)


def _check_expected_state(
    job: _PublishJob, derived: DerivedTopology, newest: Version | None, existing: Mapping[str, int]
) -> None:
    """Raises NotAppliedError where things are not as they were when this was decided."""
    expected = job.expected
    if expected is None:
        return
    number = newest.version if newest else None
    if number != expected.newest:
        was = f"@{expected.newest}" if expected.newest else "nothing"
        raise NotAppliedError(
            f"the plan was made when {was} was in force, and now it is "
            f"{f'@{number}' if number else 'nothing'}; plan again"
        )
    found = {n: existing[n] for n in derived.topics if n in existing and n not in job.created}
    for topic in sorted({*expected.topics, *found}):
        before, now = expected.topics.get(topic), found.get(topic)
        if before != now and topic not in job.created:
            raise NotAppliedError(
                f"since the plan was made the topic {topic} has changed from "
                f"{before or 'no'} to {now or 'no'} partitions; plan again"
            )


@dataclass(frozen=True, slots=True)
class _PreparedVersion:
    """All that a version needs but its boundaries."""

    version: Version
    first: bool
    """Nothing was ever published here: the installation is written too."""
    starts: Mapping[TopicPartition, int]
    """The boundaries in topics that are new to the pipeline."""
    held: tuple[TopicPartition, ...]
    """The partitions whose boundaries are where their marker stands."""
    firsts: Mapping[str, Mapping[TopicPartition, int]]
    """By group, its first offset in each partition of a new edge."""
    end: int
    """Of the topic of versions."""


async def _prepare_version(
    job: _PublishJob,
    derived: DerivedTopology,
    table: TopologyTable,
    admin: ClusterAdmin,
    existing: Mapping[str, int],
) -> _PreparedVersion:
    history = table.of(derived.pipeline)
    newest = history[-1] if history else None
    version = Version(
        pipeline=derived.pipeline,
        version=newest.version + 1 if newest else 1,
        installation=table.installation.id if table.installation else uuid4(),
        published=datetime.now(UTC),
        published_by=job.by,
        events=dict(derived.events),
        stages=dict(derived.stages),
        alerts=derived.alerts,
        expect=derived.expect,
        # Fixed when the ledger was created: the partition of a run must not move.
        ledger=existing.get(job.settings.names.ledger_topic, DEFAULT_LEDGER_PARTITIONS),
        rollback_of=job.rollback_of,
    )
    await _create_topics(job, derived, admin, existing)
    known = {event.topic for earlier in history for event in earlier.events.values()}
    # One that was made anew holds nothing of what an earlier version had.
    known -= set(job.created)
    partitions = [
        TopicPartition(event.topic, index)
        for event in derived.events.values()
        for index in range(event.partitions)
    ]
    new = [tp for tp in partitions if tp.topic not in known]
    held = [tp for tp in partitions if tp.topic in known]
    table_end = TopicPartition(job.settings.names.topology_topic, 0)
    waiting = [tp for edges in new_retry_partitions(version, history).values() for tp in edges]
    starts = await admin.start_offsets([*new, *waiting]) if new or waiting else {}
    ends = await admin.end_offsets([table_end, *held])
    return _PreparedVersion(
        version=version,
        first=table.installation is None,
        starts=starts,
        held=tuple(held),
        firsts=await _first_offsets(job.settings, admin, version, history, {**starts, **ends}),
        end=ends[table_end],
    )


async def _create_topics(
    job: _PublishJob, derived: DerivedTopology, admin: ClusterAdmin, existing: Mapping[str, int]
) -> None:
    await admin.create(derived.topics)
    for name in derived.topics:
        if name not in existing:
            job.created += (name,)
            log.info("topic.created", topic=name, partitions=derived.topics[name].partitions)


async def _repair_configs(derived: DerivedTopology, admin: ClusterAdmin) -> tuple[str, ...]:
    """Give topics that exist the configs that the file says. Done after the version is published,
    and at each apply: one that dies in between is made good by the next."""
    different = drifted_configs(derived, await admin.configs(list(derived.topics)))
    await admin.configure(different)
    for topic, configs in different.items():
        log.info("topic.configured", topic=topic, **configs)
    return tuple(different)


def new_input_partitions(
    version: Version, earlier: Sequence[Version]
) -> dict[str, list[TopicPartition]]:
    """Per stage, the input partitions that it had in no earlier version. An edge that comes back
    goes on where it was: of the versions that had it there may be events that it has not read."""
    return {
        name: [
            TopicPartition(event.topic, index)
            for event in (version.events[event_type] for event_type in stage.subscribes)
            if not any(_had_input(before, name, event.topic) for before in earlier)
            for index in range(event.partitions)
        ]
        for name, stage in version.stages.items()
    }


def new_retry_partitions(
    version: Version, earlier: Sequence[Version]
) -> dict[str, list[TopicPartition]]:
    """Per stage, the partitions of its retry topic that no earlier version had."""
    found = {}
    for name, stage in version.stages.items():
        before = (v.stages[name].parking for v in earlier if name in v.stages)
        had = max((parking.partitions for parking in before if parking), default=0)
        if stage.parking is not None:
            topic = stage.parking.topic
            new = range(had, stage.parking.partitions)
            found[name] = [TopicPartition(topic, index) for index in new]
    return found


def _had_input(version: Version, stage: str, topic: str) -> bool:
    subscribes = version.stages[stage].subscribes if stage in version.stages else ()
    return any(version.events[event_type].topic == topic for event_type in subscribes)


async def _first_offsets(
    settings: Settings,
    admin: ClusterAdmin,
    version: Version,
    earlier: Sequence[Version],
    places: Mapping[TopicPartition, int],
) -> dict[str, dict[TopicPartition, int]]:
    """By group, the offsets that are to be committed so that "no committed offset" always means
    "lost", never "new". A group that has one from before Farandole knew it begins here too, unless
    it is beyond."""
    found = {}
    retries = new_retry_partitions(version, earlier)
    for stage, inputs in new_input_partitions(version, earlier).items():
        edges = [*inputs, *retries.get(stage, ())]
        group = settings.names.stage_group(version.pipeline, stage)
        committed = await admin.committed(group, edges)
        first = {
            tp: places[tp]
            for tp in edges
            if (old := committed[tp]) is None or old.offset < places[tp]
        }
        if first:
            found[group] = first
    return found


async def _publish_prepared(
    job: _PublishJob, prepared: _PreparedVersion, writer: FencedProducer, holder: FencedProducer
) -> float:
    """Steps 5 to 9; how long readers were held, in milliseconds. The version is the last of the
    job's attempts."""
    settings = job.settings
    topology = settings.names.topology_topic
    async with _topology_reader(settings, TopicPartition(topology, 0), prepared.end) as reader:
        # What a client has to learn about a topic it learns before anybody is held.
        await writer.learn_topics([topology])
        await holder.learn_topics(sorted({tp.topic for tp in prepared.held}))
        # Whether nothing of ours can happen any more under `names.router_transactional_id`.
        settled = False
        try:
            await _begin_version_transaction(writer, prepared)
            began = time.monotonic()
            try:
                async with asyncio.timeout(_PREPARE_TIMEOUT_SECONDS):
                    boundaries = await _write_boundary_markers(holder, prepared)
                    version = _with_boundaries(prepared.version, boundaries)
                    job.attempts.append(version)
                    await _write_version(settings, writer, prepared, version)
            except TimeoutError:
                raise _TooSlowError(
                    f"not ready to commit within {_PREPARE_TIMEOUT_SECONDS:g} s"
                ) from None
            if time.monotonic() - began > 2 * _PREPARE_TIMEOUT_SECONDS:  # we were frozen in between
                raise _TooSlowError("this process stood still")
            await writer.commit(within=_ANSWER_TIMEOUT_SECONDS)
            await with_deadline(
                _read_back(reader, version), _ANSWER_TIMEOUT_SECONDS, "read the version back"
            )
            settled = True
        except ProducerFencedError:
            # Whoever fences us has waited for the end of our transaction, whichever it was.
            settled = True
            raise
        finally:
            if settled or await _settle_version_transaction(job):
                await _abort_boundary_transaction(job, holder)
        return (time.monotonic() - began) * 1000 if prepared.held else 0.0


async def _write_boundary_markers(
    holder: FencedProducer, prepared: _PreparedVersion
) -> dict[TopicPartition, int]:
    """Where each partition of the version begins."""
    if not prepared.held:
        return dict(prepared.starts)
    await holder.begin()
    name = prepared.version.name.encode()
    offsets = await asyncio.gather(
        *(holder.mark(tp, _BOUNDARY_MARKER, name) for tp in prepared.held)
    )
    return {**prepared.starts, **dict(zip(prepared.held, offsets, strict=True))}


def _with_boundaries(version: Version, boundaries: Mapping[TopicPartition, int]) -> Version:
    def bounded(event: EventSpec) -> EventSpec:
        tps = [TopicPartition(event.topic, index) for index in range(event.partitions)]
        return event.model_copy(update={"boundaries": tuple(boundaries[tp] for tp in tps)})

    events = {name: bounded(event) for name, event in version.events.items()}
    return version.model_copy(update={"events": events})


async def _begin_version_transaction(writer: FencedProducer, prepared: _PreparedVersion) -> None:
    """The transaction of the version with all that does not depend on its boundaries."""
    await writer.begin()
    for group, offsets in prepared.firsts.items():
        await writer.add_offsets(group, offsets)


async def _write_version(
    settings: Settings, writer: FencedProducer, prepared: _PreparedVersion, version: Version
) -> None:
    """The rest of it, but its commit."""
    records = [OutgoingRecord(version.name.encode(), version.model_dump_json().encode())]
    if prepared.first:
        installation = Installation(id=version.installation, created=version.published)
        row = OutgoingRecord(INSTALLATION_KEY, installation.model_dump_json().encode())
        records.insert(0, row)
    topology = Partition(settings.names.topology_topic, 0)
    await writer.send({topology: records}, int(time.time() * 1000))


@asynccontextmanager
async def _topology_reader(
    settings: Settings, place: TopicPartition, offset: int
) -> AsyncIterator[AIOKafkaConsumer]:
    async with open_client(make_consumer(settings), settings) as reader:
        reader.assign([place])
        reader.seek(place, offset)
        yield reader


async def _read_back(reader: AIOKafkaConsumer, version: Version) -> None:
    wanted = version.name.encode()
    while True:
        for records in (await reader.getmany(timeout_ms=100)).values():
            if any(record.key == wanted for record in records):
                return


async def _settle_version_transaction(job: _PublishJob) -> bool:
    """Let Kafka finish or undo whatever it has of us; False where it does not answer."""
    try:
        async with _version_producer(job):
            return True
    except BrokerError as error:
        log.warning("router.unsettled", why=str(error), hold_timeout=job.hold_timeout)
        return False


async def _abort_boundary_transaction(job: _PublishJob, holder: FencedProducer) -> None:
    """End the hold; where that fails, its time-out does, or the next router."""
    if not holder.is_open:
        return  # nothing was marked, or another router has ended it
    try:
        try:
            await holder.abort(within=_ANSWER_TIMEOUT_SECONDS)
        except ProducerFencedError:
            pass  # another router has ended it
        except BrokerError:
            async with _started_producers(job):
                pass  # to start is to abort what was begun, and in this order it is ours
    except BrokerError as error:
        log.warning("router.hold_left", why=str(error), hold_timeout=job.hold_timeout)
