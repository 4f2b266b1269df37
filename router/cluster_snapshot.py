"""Which facts in Kafka decide what a file would change?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog
from aiokafka import TopicPartition

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import InputLag, partition_lag
from farandole.broker.settings import Settings
from farandole.broker.topic_creation import check_partition_counts
from farandole.broker.topic_reader import scan
from farandole.catalog.ownership import VersionIndex
from farandole.events.topology_version import Version
from farandole.router.change_plan import ChangePlan, ClusterSnapshot, make_plan
from farandole.router.pipeline_cycles import require_no_cycle
from farandole.router.publish_transaction import end_unfinished_publication
from farandole.router.topic_lives import recreated_topics, require_settled_topics
from farandole.router.topic_resolution import resolve_topics
from farandole.router.topology_change import UnreadEvents
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.topology_store import read_topology
from farandole.router.unseen_dependencies import published_roots, unseen_runs

log = structlog.get_logger()

MAX_OFFSETS_READ = (
    20_000  # offsets; if an edge lags more, unread events are not read but estimated from offsets
)

_UNBLOCKED_SECONDS = 0.5  # most plans take less; a publication holds readers back for a tenth of it


async def plan_changes(
    settings: Settings, derived: DerivedTopology, rollback_of: int | None = None
) -> ChangePlan:
    """Return what publishing a file would change now. Raises TopicMismatchError,
    DependencyCycleError, NotAppliedError and BrokerError.

    A router that died while it published holds back all readers of what the plan depends on. If
    reading takes long, its publication is ended; a router that lives publishes again.
    """
    reading = asyncio.create_task(take_snapshot(settings, derived))
    try:
        done, _ = await asyncio.wait({reading}, timeout=_UNBLOCKED_SECONDS)
        if not done:
            with suppress(BrokerError):  # reading will tell, or succeed in spite of it
                await end_unfinished_publication(settings)
        facts, derived = await reading
    finally:
        reading.cancel()
    for schedule, why in facts.unseen:
        log.warning("schedule.unseen", pipeline=derived.pipeline, schedule=schedule, why=why)
    return make_plan(derived, facts, rollback_of)


async def take_snapshot(
    settings: Settings, derived: DerivedTopology
) -> tuple[ClusterSnapshot, DerivedTopology]:
    """Return the facts in Kafka about a file, and the file with resolved topics. Raises
    TopicMismatchError and DependencyCycleError."""
    table = await read_topology(settings)
    require_no_cycle(derived, table.newest_versions())
    versions = table.of(derived.pipeline)
    async with ClusterAdmin.open(settings) as admin:
        existing = await admin.all_topics(derived.topics)
        derived = resolve_topics(derived, versions, existing, settings.names)
        check_partition_counts(derived.topics, existing)
        newest = versions[-1].events.values() if versions else ()
        topics = {event.topic for event in [*derived.events.values(), *newest]}
        ids = await admin.topic_ids(topics & existing.keys())
        recreated = recreated_topics(topics, versions, existing, ids)
        require_settled_topics(derived.events, versions, existing, recreated)
        configs = await admin.topic_configs([name for name in derived.topics if name in existing])
        found = await stage_input_lags(admin, settings, versions, existing)
    waiting = await unread_events(settings, versions, found)
    roots = published_roots(table)
    unseen = tuple(
        (name, why)
        for name, spec in derived.schedules.items()
        for why in unseen_runs(spec, derived.pipeline, roots)
    )
    return ClusterSnapshot(versions, existing, configs, tuple(waiting), recreated, unseen), derived


async def stage_input_lags(
    admin: ClusterAdmin,
    settings: Settings,
    versions: Sequence[Version],
    existing: Mapping[str, int],
) -> dict[str, list[InputLag]]:
    """Return the lag of each stage in every input that any version has ever given it."""
    found: dict[str, dict[TopicPartition, str]] = {}
    for version in versions:
        for name, stage in version.stages.items():
            for event_type in stage.subscribes:
                topic = version.events[event_type].topic
                for index in range(existing.get(topic, 0)):
                    found.setdefault(name, {})[TopicPartition(topic, index)] = event_type
    pipeline = versions[0].pipeline if versions else ""
    return {
        stage: await partition_lag(admin, settings.names.stage_group(pipeline, stage), partitions)
        for stage, partitions in found.items()
    }


async def unread_events(
    settings: Settings, versions: Sequence[Version], edges: Mapping[str, list[InputLag]]
) -> list[UnreadEvents]:
    """Return the unread events by edge and version; `edges` are the inputs of the edges by stage.

    A lag in offsets does not mean unread events: markers and aborted transactions take offsets too.
    So the records are read, unless there are too many."""
    found, near = [], []
    for stage, inputs in edges.items():
        for topic, event_type in dict.fromkeys((i.partition.topic, i.event_type) for i in inputs):
            lagging = [i for i in inputs if i.partition.topic == topic and i.lag]
            lag = sum(each.lag for each in lagging)
            if lag > MAX_OFFSETS_READ:
                numbers = _versions_reading(versions, stage, topic)
                found.append(UnreadEvents(stage, event_type, topic, numbers, lag, at_most=True))
            elif lag:
                near += [(stage, each) for each in lagging]
    return found + await _count_unread(settings, versions, near)


async def _count_unread(
    settings: Settings, versions: Sequence[Version], near: Sequence[tuple[str, InputLag]]
) -> list[UnreadEvents]:
    if not near:
        return []
    readers: dict[TopicPartition, list[tuple[int, UnreadEvents]]] = {}
    for stage, each in near:
        topic = each.partition.topic
        edge = UnreadEvents(
            stage, each.event_type, topic, _versions_reading(versions, stage, topic), 0
        )
        readers.setdefault(each.partition, []).append((each.position, edge))
    start = {tp: min(offset for offset, _ in of) for tp, of in readers.items()}
    topics = list(dict.fromkeys(tp.topic for tp in readers))
    index = VersionIndex(versions)
    counts: Counter[UnreadEvents] = Counter()
    async for records in scan(settings, topics, start=start):
        for record in records:
            owner = index.owner_of(record)
            if owner is None:
                continue
            number = owner.version.version
            for offset, edge in readers[TopicPartition(record.topic, record.partition)]:
                if record.offset >= offset and number in edge.versions:
                    counts[edge._replace(versions=(number,))] += 1
    return [edge._replace(events=events) for edge, events in sorted(counts.items())]


def _versions_reading(versions: Sequence[Version], stage: str, topic: str) -> tuple[int, ...]:
    """Return the versions in which a stage reads a topic."""
    return tuple(
        version.version
        for version in versions
        if stage in version.stages
        and any(version.events[t].topic == topic for t in version.stages[stage].subscribes)
    )
