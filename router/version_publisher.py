"""How is a derived file published as the next version of a pipeline, completely or not at all?

The steps are those of `farandole.router.publish_transaction`; these two are done here:

3. The versions are read **after** this router has fenced every other one: read earlier, they could
   lack the version that another router has just published.
4. Missing topics are created. A topic whose partition count differs for another reason than a
   changed file is refused before anything is written. Everything else that the version says is
   read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    BrokerError,
    DeadlineExceededError,
    ProducerFencedError,
    RecordRejectedError,
    TransactionFailedError,
    UnreachableError,
)
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table
from farandole.broker.transactions import fenced_producer
from farandole.catalog.topology_table import TopologyTable
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.events.topology_version import Version
from farandole.router.change_plan import drifted_configs, same_content
from farandole.router.first_offsets import first_offsets, new_stage_partitions
from farandole.router.publish_transaction import (
    PreparedVersion,
    PublishTransaction,
    TooSlowError,
    publish_prepared,
    started_producers,
)
from farandole.router.topic_lives import (
    newest_spec,
    recreated_topics,
    require_settled_topics,
    with_lives,
)
from farandole.router.topic_owners import require_own_topics
from farandole.router.topic_resolution import resolve_topics
from farandole.router.topology_derivation import DerivedTopology, make_version
from farandole.router.topology_store import NotAppliedError, read_topology

log = structlog.get_logger()

_MAX_ATTEMPTS = 10  # an attempt fails if another router publishes at the same time
_RETRY_BACKOFF = Backoff(first=0.1, longest=1.6, jitter=1.0)
_NOT_READY_SECONDS = 40.0  # for a new cluster, which first creates its internal topics
_OTHER_ROUTER_SECONDS = 2.0  # seconds for a router that has fenced us, before we fence it


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The result of publishing."""

    version: Version
    """The newest version."""
    changed: bool
    """True if this call published it."""
    created_topics: tuple[str, ...] = ()
    configured_topics: tuple[str, ...] = ()
    """The topics whose configs this call has repaired."""
    blocked_ms: float = 0.0
    """How long readers had to wait at the boundaries."""


@dataclass(frozen=True, slots=True)
class ExpectedState:
    """The state of the cluster for which a plan was made."""

    newest: int | None
    topics: Mapping[str, int]
    """The partition counts of those of the file's topics that existed."""


async def publish_version(
    settings: Settings,
    derived: DerivedTopology,
    by: str,
    *,
    expected: ExpectedState | None = None,
    rollback_of: int | None = None,
) -> ApplyResult:
    """Publish a derived file as its pipeline's next version, unless it changes nothing, and give
    its topics the configs that the file says. Return what was done.

    `by` names who did it, for people. Raises NotAppliedError if nothing was published, also if the
    cluster is not as `expected` any more; TopicMismatchError if a topic has another partition count
    than the versions say; and the errors of `farandole.broker.kafka_clients.open_client`.
    """
    job = _PublishJob(settings, derived, by, expected, rollback_of)
    not_ready_until = time.monotonic() + _NOT_READY_SECONDS
    for attempt in range(_MAX_ATTEMPTS):
        written = len(job.attempts)
        try:
            return await _try_publish(job)
        except TooSlowError as slow:
            log.warning(
                "router.slow", pipeline=derived.pipeline, why=str(slow), attempt=attempt + 1
            )
        except (DeadlineExceededError, UnreachableError) as error:
            late = time.monotonic() > not_ready_until or attempt + 1 == _MAX_ATTEMPTS
            if len(job.attempts) > written:
                raise NotAppliedError(
                    f"{error}: whether the version was published is unknown; apply again, which"
                    " tells"
                ) from None
            if late:
                raise
            # The coordinators of a cluster whose internal topics are just being created.
            log.warning("router.waiting", pipeline=derived.pipeline, why=str(error))
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
    """Return when the router that has fenced us has published, or has had enough time for it. Two
    routers that fence each other at once would both publish nothing."""
    with suppress(TimeoutError, BrokerError):
        async with (
            asyncio.timeout(_OTHER_ROUTER_SECONDS),
            follow_table(settings, settings.names.topology_topic) as table,
        ):
            await table.next_change()
            await table.next_change()


@dataclass(slots=True)
class _PublishJob:
    """A file that is to be published, and the results of earlier attempts."""

    settings: Settings
    derived: DerivedTopology
    by: str
    expected: ExpectedState | None = None
    rollback_of: int | None = None
    created: tuple[str, ...] = ()
    """The topics that this job has created."""
    attempts: list[Version] = field(default_factory=list)
    """The versions that it has tried to publish."""

    @property
    def transaction(self) -> PublishTransaction:
        return PublishTransaction(self.settings, len(self.derived.stages))


async def _try_publish(job: _PublishJob) -> ApplyResult:
    async with started_producers(job.transaction) as (publisher, marker):
        table = await read_topology(job.settings)
        newest = table.newest(job.derived.pipeline)
        async with ClusterAdmin.open(job.settings) as admin:
            existing = await admin.all_topics(job.derived.topics)
            versions = table.of(job.derived.pipeline)
            derived = resolve_topics(job.derived, versions, existing, job.settings.names)
            await require_own_topics(job.settings, derived, versions, admin)
            ids = await _topic_ids(derived, versions, admin, existing)
            recreated = _recreated_topics(job, derived, versions, existing, ids)
            require_settled_topics(derived.events, versions, existing, recreated)
            if newest is None or recreated or not same_content(newest, derived):
                _check_expected_state(job, derived, newest, existing)
                prepared = await _prepare_version(
                    job, derived, table, admin, existing, recreated, ids
                )
                await _fence_readers(job.settings, versions, recreated)
                blocked_ms = await publish_prepared(
                    job.transaction, prepared, publisher, marker, job.attempts
                )
                version, changed = job.attempts[-1], True
            else:
                # Perhaps an attempt of ours published it, and the answer did not arrive.
                version, changed, blocked_ms = newest, newest in job.attempts, 0.0
                await _create_topics(job, derived, admin, existing)
            repaired = await _repair_configs(derived, admin)
    if changed:
        log.info(
            "router.published",
            version=version.name,
            by=job.by,
            created=len(job.created),
            held_ms=round(blocked_ms, 1),
        )
    return ApplyResult(version, changed, job.created, repaired, blocked_ms)


def _check_expected_state(
    job: _PublishJob, derived: DerivedTopology, newest: Version | None, existing: Mapping[str, int]
) -> None:
    """Raise NotAppliedError if the cluster is not as it was when the plan was made."""
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
    existed = {n: existing[n] for n in derived.topics if n in existing and n not in job.created}
    for topic in sorted({*expected.topics, *existed}):
        before, now = expected.topics.get(topic), existed.get(topic)
        if before != now and topic not in job.created:
            raise NotAppliedError(
                f"since the plan was made the topic {topic} has changed from "
                f"{before or 'no'} to {now or 'no'} partitions; plan again"
            )


async def _prepare_version(
    job: _PublishJob,
    derived: DerivedTopology,
    table: TopologyTable,
    admin: ClusterAdmin,
    existing: Mapping[str, int],
    recreated: frozenset[str],
    ids: Mapping[str, str],
) -> PreparedVersion:
    history = table.of(derived.pipeline)
    version = make_version(
        derived,
        number=table.next_number(derived.pipeline),
        installation=table.installation.id if table.installation else uuid4(),
        published_by=job.by,
        # Fixed when the ledger was created: the partition of a run must not move.
        ledger=existing.get(job.settings.names.ledger_topic, DEFAULT_LEDGER_PARTITIONS),
        rollback_of=job.rollback_of,
    )
    await _create_topics(job, derived, admin, existing)
    # They are compared after the version is published: what is denied us must be told before.
    await admin.topic_configs(list(derived.topics))
    # The ids by which it was decided: a topic that is created again just now must not pass for the
    # earlier one.
    ids = await admin.topic_ids([event.topic for event in derived.events.values()]) | dict(ids)
    events = with_lives(derived.events, history, recreated, ids)
    version = version.model_copy(update={"events": events})
    known: dict[str, int] = {}
    for event in (event for earlier in history for event in earlier.events.values()):
        # A topic that was created again contains nothing of an earlier version.
        if event.topic not in recreated:
            known[event.topic] = max(known.get(event.topic, 0), event.partitions)
    partitions = [
        TopicPartition(event.topic, index)
        for event in derived.events.values()
        for index in range(event.partitions)
    ]
    # Of a topic to which somebody has added partitions, these alone are new.
    new = [tp for tp in partitions if tp.partition >= known.get(tp.topic, 0)]
    marked = [tp for tp in partitions if tp.partition < known.get(tp.topic, 0)]
    table_end = TopicPartition(job.settings.names.topology_topic, 0)
    emptied = recreated.union(job.created)
    added = new_stage_partitions(version, history, emptied)
    of_stages = [tp for tps in added.values() for tp in tps]
    starts = await admin.start_offsets([*new, *of_stages]) if new or of_stages else {}
    raw_topics = {stage.raw.topic for stage in derived.stages.values() if stage.raw is not None}
    raw = [tp for tp in of_stages if tp.topic in raw_topics]
    ends = await admin.end_offsets([table_end, *marked, *raw])
    return PreparedVersion(
        version=version,
        is_first=table.installation is None,
        starts=starts,
        marked=tuple(marked),
        first_offsets=await first_offsets(
            job.settings, admin, version, history, {**starts, **ends}, emptied
        ),
        topology_end=ends[table_end],
    )


async def _topic_ids(
    derived: DerivedTopology,
    versions: Sequence[Version],
    admin: ClusterAdmin,
    existing: Mapping[str, int],
) -> dict[str, str]:
    """Return the ids of the topics of the file, and of those of the newest version."""
    events = [*derived.events.values(), *(versions[-1].events.values() if versions else ())]
    return await admin.topic_ids({event.topic for event in events} & existing.keys())


def _recreated_topics(
    job: _PublishJob,
    derived: DerivedTopology,
    versions: Sequence[Version],
    existing: Mapping[str, int],
    ids: Mapping[str, str],
) -> frozenset[str]:
    """Return the topics that are gone or were created again since the newest version, by somebody
    else or by an earlier attempt of ours that has not published."""
    newest = versions[-1].events.values() if versions else ()
    topics = [event.topic for event in [*derived.events.values(), *newest]]
    found = recreated_topics(topics, versions, existing, ids)
    if versions and versions[-1] in job.attempts:
        return found
    return found.union(t for t in topics if t in job.created and newest_spec(versions, t))


async def _fence_readers(
    settings: Settings, versions: Sequence[Version], recreated: frozenset[str]
) -> None:
    """End the transactions of all lanes that read a topic which was created again. Otherwise a lane
    that has not noticed it could commit an offset of the earlier topic over the first offset that
    the version brings. Until it can read the version, a lane does not open over such a topic."""
    names = settings.names
    lanes = {
        names.lane_transactional_id(version.pipeline, stage, index)
        for version in versions
        for stage, spec in version.stages.items()
        for event in (version.events[event_type] for event_type in spec.subscribes)
        if event.topic in recreated and version.retired is None
        for index in range(event.partitions)
    }
    await asyncio.gather(*(_fence(settings, lane) for lane in sorted(lanes)))


async def _fence(settings: Settings, transactional_id: str) -> None:
    async with fenced_producer(settings, transactional_id):
        pass


async def _create_topics(
    job: _PublishJob, derived: DerivedTopology, admin: ClusterAdmin, existing: Mapping[str, int]
) -> None:
    missing = [name for name in derived.topics if name not in existing]
    job.created += tuple(missing)  # also if we do not hear that they are created
    await admin.create_topics(derived.topics)
    for name in missing:
        log.info("topic.created", topic=name, partitions=derived.topics[name].partitions)


async def _repair_configs(derived: DerivedTopology, admin: ClusterAdmin) -> tuple[str, ...]:
    """Give existing topics the configs that the file says, and return the names of those that had
    others. It is done after the version is published, at each apply: if a router dies in between,
    the next apply repairs them."""
    different = drifted_configs(derived, await admin.topic_configs(list(derived.topics)))
    await admin.configure_topics(different)
    for topic, configs in different.items():
        log.info("topic.configured", topic=topic, **configs)
    return tuple(different)
