"""What does Kafka say of the stages of a pipeline now?"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin, GroupMember
from farandole.broker.consumer_lag import InputLag, partition_lag
from farandole.broker.first_records import first_timestamps
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.catalog.active_stages import active_stages
from farandole.catalog.input_faults import ExistingTopics, lost_inputs
from farandole.catalog.topology_table import TopologyTable
from farandole.events.controls_in_force import TimedDocument
from farandole.events.record_time import past_time
from farandole.events.throttled_stages import throttled_in
from farandole.events.topology_version import Version
from farandole.operations.control.control_query import (
    active_pauses,
    read_control_table,
    switched_stages,
    unfit_controls,
)
from farandole.operations.dead_letters.open_letter_counts import OpenLetterCount, count_open_letters
from farandole.operations.graph.pipeline_figures import (
    EdgeFacts,
    LaneFacts,
    PipelineFacts,
    Reading,
    StageCounts,
)
from farandole.operations.graph.stage_condition import GateQueue, ShutRun, StageFacts
from farandole.operations.status.pipeline_status import stage_rates, throttled_stage
from farandole.operations.status.waiting_events import WaitingEvents, count_waiting_events
from farandole.router.topology_store import read_topology

_CONCURRENT = 16  # stages that are asked for at the same time
_STARTED = re.compile(r"-[0-9a-f]{8}$")
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_MAX_OLDEST_READ = 64  # partitions whose oldest unread event is looked up in one pass


@dataclass(slots=True)
class KnownCounts:
    """What was counted in topics, so that only what has changed is read again."""

    ends: dict[TopicPartition, int] = field(default_factory=dict)
    """The end of each topic when it was read."""
    waiting: dict[str, WaitingEvents] = field(default_factory=dict)
    dead: dict[str, OpenLetterCount] = field(default_factory=dict)
    counts: dict[str, StageCounts] = field(default_factory=dict)
    written: dict[tuple[TopicPartition, int], datetime | None] = field(default_factory=dict)
    """When the first event at or behind an offset of a partition was written; None if no event was
    there yet."""


@dataclass(frozen=True, slots=True)
class FollowedTables:
    """What stands in topics, for a caller who follows them."""

    topology: TopologyTable
    documents: Mapping[bytes, TimedDocument]
    """In the order of the log."""
    shares: Mapping[bytes, bytes]
    letters: Mapping[tuple[str, str], OpenLetterCount] | None
    """By pipeline and stage, the open letters; None if they are to be counted."""
    shut_runs: Mapping[tuple[str, str], Sequence[ShutRun]] = field(default_factory=dict)
    """By pipeline and stage, the runs that may not enter a gated stage."""
    gate_queues: Mapping[tuple[str, str], GateQueue] = field(default_factory=dict)
    """By pipeline and stage, the runs that wait before a gated stage until they are judged."""


async def _read_tables(settings: Settings) -> FollowedTables:
    return FollowedTables(
        await read_topology(settings),
        (await read_control_table(settings)).documents,
        await read_table(settings, settings.names.shares_topic),
        None,
    )


async def read_facts(
    settings: Settings,
    pipeline: str,
    known: KnownCounts,
    books: Mapping[str, EdgeFacts] | None = None,
    followed: FollowedTables | None = None,
) -> PipelineFacts | None:
    """Return what the figures of a pipeline are made of; None if no version was published. `known`
    is kept from call to call. `books`: what the books say of the edges. `followed`: None to read
    what stands in topics. Raises BrokerError."""
    tables = followed or await _read_tables(settings)
    table, documents = tables.topology, tables.documents
    newest = table.newest(pipeline)
    if newest is None:
        return None
    active = active_stages({version.version: version for version in table.of(pipeline)})
    now = datetime.now(UTC)
    unfit = {
        each.generation
        for each in unfit_controls([*documents.values()], table.versions, now, table.newer)
    }
    throttled = throttled_in(tables.shares, int(time.time() * 1000))
    pauses = active_pauses(documents, pipeline, active, now, unfit)
    modes = switched_stages(documents, pipeline, active, now, unfit)
    async with ClusterAdmin.open(settings) as admin:
        existing = await ExistingTopics.read(admin, [newest])
        lags = await _lags(admin, settings, table, pipeline, existing)
        members = await _members(admin, settings, pipeline, active)
        await _count(admin, settings, pipeline, [*active], existing, known, tables.letters)
        changed = existing.changed(newest)
        firsts = await admin.start_offsets({each.partition for of in lags.values() for each in of})
        lost = {
            stage: [
                each.partition.partition for each in await lost_inputs(admin, of, changed, firsts)
            ]
            for stage, of in lags.items()
            if stage in newest.stages
        }
    lags = await _find_oldest(settings, lags, known, now)
    stages = {}
    for name, of in lags.items():
        spec = active[name].stage
        lanes = {each.partition.partition for each in of}
        stages[name] = StageFacts(
            lanes=len(lanes),
            workers=len(members[name]),
            owners=_owners(members[name], {each.partition.topic for each in of}),
            unread=sum(each.lag for each in of),
            unread_lanes={each.partition.partition for each in of if each.lag},
            lost=sorted({*lost.get(name, ())}),
            pause=pauses.get(name),
            mode=modes.get(name),
            open_breakers=known.waiting[name].held if name in known.waiting else (),
            throttled=throttled_stage(
                stage_rates(table, documents, pipeline, name),
                throttled.get((pipeline, name)),
                sum(each.lag for each in of),
            ),
            oldest_seconds=_oldest(of, known, now),
            age_limit=spec.age,
            draining=_draining(table.of(pipeline), newest, name),
            program=settings.names.stage_group(pipeline, name)
            if spec.external and not spec.is_relayed
            else None,
            shut_runs=tables.shut_runs.get((pipeline, name), ()),
            gate_queue=tables.gate_queues.get((pipeline, name)),
        )
    return PipelineFacts(
        pipeline=pipeline,
        at=now,
        version=newest.version,
        stages=stages,
        counts=known.counts,
        readings=[*_readings(lags, known, now)],
        leaves=[event for event in newest.events if not newest.subscribers(event)],
        books=books,
        lanes={name: _lanes(of, known, now) for name, of in lags.items()},
    )


async def _lags(
    admin: ClusterAdmin,
    settings: Settings,
    table: TopologyTable,
    pipeline: str,
    existing: ExistingTopics,
) -> dict[str, list[InputLag]]:
    """Return the lag of every stage that may still receive events; without the topics that are
    gone."""
    newest = table.newest(pipeline)
    slots = asyncio.Semaphore(_CONCURRENT)
    wanted: dict[str, dict[TopicPartition, str]] = {}
    for version in table.of(pipeline):
        if version.retired is not None and version is not newest:
            continue
        for stage, spec in version.stages.items():
            for event in spec.subscribes:
                topic = version.events[event].topic
                width = min(version.events[event].partitions, existing.partitions.get(topic, 0))
                of = wanted.setdefault(stage, {})
                of |= {TopicPartition(topic, index): event for index in range(width)}

    # All ends before any committed offset, and in one request: a pipeline may have 200 stages.
    ends = await admin.end_offsets({each for of in wanted.values() for each in of})

    async def ask(stage: str) -> list[InputLag]:
        async with slots:
            group = settings.names.stage_group(pipeline, stage)
            return await partition_lag(admin, group, wanted[stage], ends)

    return dict(zip(wanted, await asyncio.gather(*map(ask, wanted)), strict=True))


async def _members(
    admin: ClusterAdmin, settings: Settings, pipeline: str, stages: Iterable[str]
) -> dict[str, list[GroupMember]]:
    slots = asyncio.Semaphore(_CONCURRENT)
    names = [*stages]

    async def ask(stage: str) -> list[GroupMember]:
        async with slots:
            return await admin.group_members(settings.names.stage_group(pipeline, stage))

    return dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))


async def _count(
    admin: ClusterAdmin,
    settings: Settings,
    pipeline: str,
    stages: Sequence[str],
    existing: ExistingTopics,
    known: KnownCounts,
    letters: Mapping[tuple[str, str], OpenLetterCount] | None,
) -> None:
    """Count what is parked and dead in the topics of the stages that have changed."""
    names = settings.names
    of_stage = {
        stage: [
            TopicPartition(topic, index)
            for topic in (
                names.retry_topic(pipeline, stage),
                *([names.dead_topic(pipeline, stage)] if letters is None else []),
            )
            for index in range(existing.partitions.get(topic, 0))
        ]
        for stage in stages
    }
    ends = await admin.end_offsets([each for parts in of_stage.values() for each in parts])
    changed = [
        stage
        for stage, parts in of_stage.items()
        if stage not in known.waiting or any(known.ends.get(each) != ends[each] for each in parts)
    ]
    if changed:
        known.waiting |= await count_waiting_events(admin, settings, pipeline, changed)
    if letters is None:
        known.dead |= await count_open_letters(admin, settings, pipeline, changed)
    else:
        none = OpenLetterCount()
        known.dead = {stage: letters.get((pipeline, stage), none) for stage in stages}
    known.counts = {
        stage: StageCounts(waiting.count, waiting.more, dead.count, dead.more)
        for stage in stages
        for waiting, dead in [(known.waiting[stage], known.dead[stage])]
    }
    known.ends |= ends


async def _find_oldest(
    settings: Settings,
    lags: Mapping[str, Sequence[InputLag]],
    known: KnownCounts,
    now: datetime,
) -> dict[str, list[InputLag]]:
    """Look up when the oldest unread event of each partition was written, where that is not known.
    Return the lags without those of markers alone."""
    behind = {_place(each): each for of in lags.values() for each in of if each.lag}
    known.written = {place: at for place, at in known.written.items() if place in behind}
    unknown = sorted(place for place in behind if known.written.get(place) is None)
    # Two stages may read one partition from two offsets: the second one is looked up next time.
    ranges = {
        partition: (offset, behind[partition, offset].end)
        for partition, offset in unknown[:_MAX_OLDEST_READ]
    }
    for partition, timestamp in (await first_timestamps(settings, ranges)).items():
        place = partition, ranges[partition][0]
        known.written[place] = None if timestamp is None else past_time(timestamp, now)
    return {
        stage: [
            replace(each, committed=each.end) if _has_markers_alone(each, known) else each
            for each in of
        ]
        for stage, of in lags.items()
    }


def _has_markers_alone(lag: InputLag, known: KnownCounts) -> bool:
    return lag.committed is not None and known.written.get(_place(lag), _UNKNOWN) is None


def _place(lag: InputLag) -> tuple[TopicPartition, int]:
    return lag.partition, lag.position


def _oldest(lags: Iterable[InputLag], known: KnownCounts, now: datetime) -> float | None:
    """Return the age of the oldest unread event; None if nothing is unread, or it is not known."""
    times = [known.written.get(_place(each)) for each in lags if each.lag]
    written = min((at for at in times if at is not None), default=None)
    return None if written is None else max(0.0, (now - written).total_seconds())


def _readings(
    lags: Mapping[str, Sequence[InputLag]], known: KnownCounts, now: datetime
) -> Iterator[Reading]:
    for stage, of in lags.items():
        for event in dict.fromkeys(each.event_type for each in of):
            read = [each for each in of if each.event_type == event]
            yield Reading(stage, event, sum(each.lag for each in read), _oldest(read, known, now))


def _lanes(lags: Sequence[InputLag], known: KnownCounts, now: datetime) -> list[LaneFacts]:
    lanes = sorted({each.partition.partition for each in lags})
    by_lane = {lane: [each for each in lags if each.partition.partition == lane] for lane in lanes}
    return [
        LaneFacts(lane, sum(each.lag for each in of), _oldest(of, known, now))
        for lane, of in by_lane.items()
    ]


def _owners(members: Sequence[GroupMember], topics: Collection[str]) -> dict[int, str]:
    """Return the process that works each lane. The id of a supervised process ends with a part that
    is new at each start, which is left out."""
    return {
        partition: _STARTED.sub("", member.client_id)
        for member in members
        for topic, partition in member.partitions
        if topic in topics
    }


def _draining(versions: Sequence[Version], newest: Version, stage: str) -> int | None:
    if stage in newest.stages:
        return None
    return max(v.version for v in versions if v.retired is None and stage in v.stages)
