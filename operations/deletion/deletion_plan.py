"""What would go if a pipeline were deleted, and what stands in the way?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

from aiokafka import TopicPartition
from pydantic import Field

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.catalog.foreign_readers import foreign_groups, foreign_readers
from farandole.catalog.pipeline_footprint import (
    PipelineFootprint,
    pipeline_footprint,
    subscribed_elsewhere,
)
from farandole.catalog.topology_table import TopologyTable, read_topology
from farandole.events.incident_record import Incident, Notice
from farandole.events.schedule_row import SCHEDULE_PREFIX
from farandole.notifier import notifier_tables
from farandole.operations.dead_letters.open_letter_counts import count_open_letters
from farandole.operations.deletion import system_rows
from farandole.operations.errors import ConflictError, query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.results import Result
from farandole.operations.status.waiting_events import count_waiting_events
from farandole.router.cluster_snapshot import stage_input_lags

_BOOKS_SECONDS = 10.0  # how long a bookkeeper that is at work may take to read what is written
_BOOKS_POLL_SECONDS = 0.1

ObstacleCode = Literal["workers_alive", "subscribed_elsewhere", "books_behind"]


class Obstacle(Result):
    """Why the pipeline cannot be deleted now."""

    code: ObstacleCode
    message: str


class DeletedTopic(Result):
    """A topic that goes, with all records in it."""

    topic: str
    partitions: int
    offsets: int
    """Offsets that are kept; transaction markers are among them."""


class DeletionPlan(Result):
    """What goes if the pipeline is deleted."""

    pipeline: str
    versions: list[int]
    topics: list[DeletedTopic]
    groups: list[str]
    unread: int
    """Offsets that some stage has not read."""
    waiting: int
    """Events that wait to be tried again."""
    open_letters: int
    """Dead letters that nobody has settled."""
    open_runs: int
    open_incidents: int
    unsent_notices: int
    runs: int
    """Run rows, open ones included."""
    incidents: int
    notices: int
    schedules: int
    """Those of which the scheduler has a row."""
    firings: int
    """Planned times of which it is known what became of them."""
    controls: int
    """Pauses, cancellations, mutes and acknowledgements."""
    idle_readers: list[str] = Field(default_factory=list)
    """Groups of other programs that have read the topics and have no member now."""
    obstacles: list[Obstacle] = Field(default_factory=list)


@query
async def plan_deletion(installation: Installation, pipeline: str) -> DeletionPlan:
    """Return what the deletion of a pipeline would delete. Nothing is changed. Raises NotFoundError
    (`pipeline_unknown`)."""
    settings = installation.settings
    table = await read_topology(settings)
    require_known(pipeline, table.pipelines(), "pipeline", "pipeline_unknown")
    versions = table.of(pipeline)
    footprint = pipeline_footprint(settings.names, versions)
    async with ClusterAdmin.open(settings) as admin:
        existing = await admin.all_topics()
        groups = await admin.groups()
        lags = await stage_input_lags(admin, settings, versions, existing)
        waiting = await count_waiting_events(admin, settings, pipeline, footprint.lanes)
        letters = await count_open_letters(admin, settings, pipeline, footprint.lanes)
        topics = await _deleted_topics(admin, footprint, existing)
        busy, idle = await _foreign_readers(admin, settings, footprint, table, groups, existing)
        obstacles = [
            *await _live_workers(admin, footprint),
            *_other_subscribers(footprint, pipeline, table, busy),
            *await _unread_books(admin, settings, existing),
        ]
    return DeletionPlan(
        pipeline=pipeline,
        versions=[version.version for version in versions],
        topics=topics,
        groups=sorted(groups.intersection(footprint.every_group)),
        unread=sum(max(0, each.lag) for of in lags.values() for each in of),
        waiting=sum(each.count for each in waiting.values()),
        open_letters=sum(each.count for each in letters.values()),
        idle_readers=idle,
        obstacles=obstacles,
        **await _count_rows(settings, pipeline),
    )


def refuse_obstacles(plan: DeletionPlan) -> None:
    """Raise ConflictError (`workers_alive`, `subscribed_elsewhere`, `books_behind`) if something
    stands in the way."""
    if plan.obstacles:
        raise ConflictError(
            plan.obstacles[0].code,
            f"{plan.pipeline} is not deleted: {'; '.join(e.message for e in plan.obstacles)}",
            obstacles=[each.to_data() for each in plan.obstacles],
        )


async def _deleted_topics(
    admin: ClusterAdmin, footprint: PipelineFootprint, existing: Mapping[str, int]
) -> list[DeletedTopic]:
    names = sorted(footprint.topics & existing.keys())
    tps = [TopicPartition(topic, index) for topic in names for index in range(existing[topic])]
    firsts, ends = await admin.start_offsets(tps), await admin.end_offsets(tps)
    kept = dict.fromkeys(names, 0)
    for tp in tps:
        kept[tp.topic] += ends[tp] - firsts[tp]
    return [
        DeletedTopic(topic=topic, partitions=existing[topic], offsets=kept[topic])
        for topic in names
    ]


async def _count_rows(settings: Settings, pipeline: str) -> dict[str, int]:
    """Return the counts of rows, by the names of the plan's fields."""
    names = settings.names
    runs = system_rows.run_rows_of(await read_table(settings, names.runs_topic), pipeline)
    incident_table = await read_table(settings, names.incidents_topic)
    keys = set(system_rows.incident_keys_of(incident_table, pipeline))
    incidents: Sequence[Incident] = [
        row for row in notifier_tables.read_incidents(incident_table) if row.key in keys
    ]
    outbox = await read_table(settings, names.outbox_topic)
    notices: Sequence[Notice] = [
        row for row in notifier_tables.read_notices(outbox) if row.pipeline == pipeline
    ]
    controls = system_rows.control_keys_of(
        await read_table(settings, names.control_topic),
        pipeline,
        runs.keys(),
        {row.id for row in incidents},
    )
    schedules = await read_table(settings, names.schedules_topic)
    own = system_rows.schedule_keys_of(schedules, pipeline)
    firings = await read_table(settings, names.firings_topic)
    return {
        "open_runs": sum(row["closed"] is None for row in runs.values()),
        "open_incidents": sum(row.resolved is None for row in incidents),
        "unsent_notices": sum(row.delivered is None for row in notices),
        "runs": len(runs),
        "incidents": len(keys),
        "notices": len(notices),
        "schedules": sum(key.startswith(SCHEDULE_PREFIX) for key in own),
        "firings": len(system_rows.firing_keys_of(firings, pipeline)),
        "controls": len(controls),
    }


async def _live_workers(admin: ClusterAdmin, footprint: PipelineFootprint) -> list[Obstacle]:
    alive = {
        stage
        for groups in (footprint.groups, footprint.outside_groups)
        for stage, group in groups.items()
        if await admin.count_members(group)
    }
    if not alive:
        return []
    return [
        Obstacle(
            code="workers_alive",
            message=f"workers of {', '.join(sorted(alive))} are alive; stop `farandole up`, "
            "`work` and `route` of this pipeline first",
        )
    ]


async def _foreign_readers(
    admin: ClusterAdmin,
    settings: Settings,
    footprint: PipelineFootprint,
    table: TopologyTable,
    groups: set[str],
    existing: Mapping[str, int],
) -> tuple[list[str], list[str]]:
    """Return the groups of other programs that have committed offsets in the topics: those that
    have members, and those that have none."""
    partitions = [
        TopicPartition(topic, index)
        for topic in sorted(footprint.event_topics & existing.keys())
        for index in range(existing[topic])
    ]
    foreign = foreign_groups(settings.names, table.versions, groups)
    readers = await foreign_readers(admin, foreign, partitions)
    return [r.group for r in readers if r.members], [r.group for r in readers if not r.members]


def _other_subscribers(
    footprint: PipelineFootprint, pipeline: str, table: TopologyTable, busy: Sequence[str]
) -> list[Obstacle]:
    found = [
        f"{other} uses {', '.join(topics)}"
        for other, topics in subscribed_elsewhere(
            footprint.topics, pipeline, table.versions
        ).items()
    ]
    found += [f"the group {group} reads its topics" for group in busy]
    return [Obstacle(code="subscribed_elsewhere", message=text) for text in found]


async def _unread_books(
    admin: ClusterAdmin, settings: Settings, existing: Mapping[str, int]
) -> list[Obstacle]:
    """Return an obstacle if the bookkeeper has not read all that is in the ledger now: it would
    open rows of the pipeline again after they are deleted."""
    names = settings.names
    tps = [
        TopicPartition(names.ledger_topic, index)
        for index in range(existing.get(names.ledger_topic, 0))
    ]
    ends, firsts = await admin.end_offsets(tps), await admin.start_offsets(tps)
    written = [tp for tp in tps if ends[tp] > firsts[tp]]
    clock = asyncio.get_running_loop().time
    stops = clock() + _BOOKS_SECONDS
    while True:
        committed = await admin.committed_offsets(names.bookkeeper_group, written)
        behind = [
            tp for tp in written if (found := committed[tp]) is None or found.offset < ends[tp]
        ]
        if not behind:
            return []
        if clock() >= stops or not await admin.count_members(names.bookkeeper_group):
            break
        await asyncio.sleep(_BOOKS_POLL_SECONDS)
    return [
        Obstacle(
            code="books_behind",
            message="the bookkeeper has not read the whole ledger; let `farandole keep-books` "
            "run until it has, else rows of the pipeline come back",
        )
    ]
