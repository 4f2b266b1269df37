"""How is a pipeline deleted, so that a deletion that was killed can be finished?

Each step can be repeated, and the versions go last: until then a second call finds from them what
is left. State that a running service holds in memory (run rows, incidents) is deleted under the
transactional id of its lane: that fences the lane, which is born again and reads what is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson

from farandole.broker import transactions
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.broker.transactions import FencedProducer, uninterrupted
from farandole.catalog.pipeline_footprint import PipelineFootprint, pipeline_footprint
from farandole.catalog.topology_table import read_topology
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.topology_version import INSTALLATION_KEY
from farandole.notifier import notifier_tables
from farandole.operations.deletion import system_rows
from farandole.operations.deletion.deletion_plan import plan_deletion, refuse_obstacles
from farandole.operations.errors import operation
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.row_ownership import as_owner

MAX_TRANSACTION_ROWS = 5_000  # tombstones in one transaction

Progress = Callable[[str], None]
"""Called with the name of each step when it is done."""
Rewrite = Callable[[FencedProducer], Awaitable[int]]
"""Deletes rows with the producer of their owner, and returns how many."""
KeysOf = Callable[[Mapping[bytes, bytes], str], Sequence[bytes]]
"""Returns the keys of the rows of a pipeline in a table."""


class DeletionResult(Result):
    """What this call has deleted; an earlier call that was killed may have deleted more."""

    pipeline: str
    versions: int
    topics: int
    groups: int
    rows: int
    """Rows of runs, their data, alerts, incidents, notices, schedules, firings and control
    documents."""


@operation
@recorded("delete", lambda pipeline: pipeline)
async def delete_pipeline(
    installation: Installation, pipeline: str, progress: Progress = lambda _: None
) -> DeletionResult:
    """Delete a pipeline. Raises ConflictError (`workers_alive`, `subscribed_elsewhere`,
    `books_behind`) if something stands in the way now, and NotFoundError (`pipeline_unknown`).

    Called again after it was killed, it deletes the rest."""
    settings = installation.settings
    installation.deed.pipeline = pipeline
    plan = await plan_deletion(installation, pipeline)
    refuse_obstacles(plan)
    versions = (await read_topology(settings)).of(pipeline)
    footprint = pipeline_footprint(settings.names, versions)
    await _fence_lanes(settings, pipeline, footprint)
    progress("lanes")
    rows = await _delete_controls(settings, pipeline) + await _delete_signals(settings, pipeline)
    progress("controls")
    rows += await _delete_schedules(settings, pipeline)
    progress("schedules")
    rows += await _delete_incidents(settings, pipeline)
    progress("incidents")
    rows += await _delete_runs(settings, pipeline)
    progress("runs")
    rows += await _delete_quality(settings, pipeline)
    progress("quality")
    async with ClusterAdmin.open(settings) as admin:
        await admin.delete_topics(
            footprint.topics & (await admin.find_topics(footprint.topics)).keys()
        )
        progress("topics")
        for group in footprint.every_group:
            await admin.delete_group(group)
        progress("groups")
    deleted = await _delete_versions(settings, pipeline)
    progress("versions")
    # Until now a scheduler that is at work may have written new ones.
    rows += await _delete_schedules(settings, pipeline)
    result = DeletionResult(
        pipeline=pipeline,
        versions=deleted,
        topics=len(plan.topics),
        groups=len(plan.groups),
        rows=rows,
    )
    installation.deed.after = result.to_data()
    return result


async def _fence_lanes(settings: Settings, pipeline: str, footprint: PipelineFootprint) -> None:
    """Fence every lane: a frozen worker that wakes later can write nothing any more."""
    for stage, lanes in footprint.lanes.items():
        ids = [settings.names.lane_transactional_id(pipeline, stage, lane) for lane in range(lanes)]
        await asyncio.gather(*(transactions.fence(settings, each) for each in ids))


async def _delete_controls(settings: Settings, pipeline: str) -> int:
    """Delete the control documents of the pipeline, before the rows that say which runs and
    incidents are its own."""
    names = settings.names
    runs = system_rows.run_rows_of(await read_table(settings, names.runs_topic), pipeline)
    incidents = await read_table(settings, names.incidents_topic)
    ids = {i.id for i in notifier_tables.read_incidents(incidents) if i.pipeline == pipeline}
    table = await read_table(settings, names.control_topic)
    keys = system_rows.control_keys_of(table, pipeline, runs.keys(), ids)
    topic = Partition(names.control_topic, 0)

    async def rewrite(producer: FencedProducer) -> int:
        return await _write_tombstones(producer, topic, keys)

    return await as_owner(settings, f"{names.prefix}farandole.deletion", rewrite) if keys else 0


async def _delete_signals(settings: Settings, pipeline: str) -> int:
    """Delete what its lanes have written of their shares of throttles, and what the bookkeeper has
    written of its gates."""
    names = settings.names
    owned: dict[str, KeysOf] = {
        names.shares_topic: system_rows.share_keys_of,
        names.gates_topic: system_rows.gate_keys_of,
    }
    return await _delete_owned(settings, pipeline, f"{names.prefix}farandole.deletion", owned)


async def _delete_schedules(settings: Settings, pipeline: str) -> int:
    """Delete the state of its schedules, and what became of their planned times."""
    names = settings.names
    owned: dict[str, KeysOf] = {
        names.schedules_topic: system_rows.schedule_keys_of,
        names.firings_topic: system_rows.firing_keys_of,
    }
    return await _delete_owned(settings, pipeline, f"{names.scheduler_group}:0", owned)


async def _delete_incidents(settings: Settings, pipeline: str) -> int:
    names = settings.names
    owned: dict[str, KeysOf] = {
        names.incidents_topic: system_rows.incident_keys_of,
        names.outbox_topic: system_rows.notice_keys_of,
    }
    return await _delete_owned(settings, pipeline, f"{names.notifier_group}:0", owned)


async def _delete_owned(
    settings: Settings, pipeline: str, owner: str, owned: Mapping[str, KeysOf]
) -> int:
    """Delete rows of the lane whose transactional id is `owner`. `owned`: by its topics, all of one
    partition, what returns the keys."""

    async def rewrite(producer: FencedProducer) -> int:
        tables = {topic: await read_table(settings, topic) for topic in owned}
        return sum(
            [
                await _write_tombstones(
                    producer, Partition(topic, 0), keys_of(tables[topic], pipeline)
                )
                for topic, keys_of in owned.items()
            ]
        )

    return await as_owner(settings, owner, rewrite)


async def _delete_runs(settings: Settings, pipeline: str) -> int:
    """Delete the rows of runs and of firing alerts, one lane of the bookkeeper after the other."""
    names = settings.names
    async with ClusterAdmin.open(settings) as admin:
        lanes = (await admin.topics([names.runs_topic])).get(names.runs_topic, 0)

    def rewrite_of(lane: int) -> Rewrite:
        async def rewrite(producer: FencedProducer) -> int:
            rows = await read_table(settings, names.runs_topic, lane)
            state = await read_table(settings, names.bookkeeper_state_topic, lane)
            return await _write_tombstones(
                producer,
                Partition(names.runs_topic, lane),
                [*system_rows.run_rows_of(rows, pipeline)],
            ) + await _write_tombstones(
                producer,
                Partition(names.bookkeeper_state_topic, lane),
                system_rows.bookkeeper_keys_of(state, pipeline),
            )

        return rewrite

    return sum(
        [
            await as_owner(settings, f"{names.bookkeeper_group}:{lane}", rewrite_of(lane))
            for lane in range(lanes)
        ]
    )


async def _delete_quality(settings: Settings, pipeline: str) -> int:
    """Delete what is known of its data, one lane of those that compare runs after the other."""
    names = settings.names
    owned: dict[str, KeysOf] = {
        names.quality_topic: system_rows.quality_keys_of,
        names.quality_history_topic: system_rows.quality_keys_of,
        names.quality_state_topic: system_rows.quality_state_keys_of,
    }
    async with ClusterAdmin.open(settings) as admin:
        widths = await admin.topics(owned.keys())
    if not owned.keys() <= widths.keys():
        return 0  # a router of an earlier release: there are none

    def rewrite_of(lane: int) -> Rewrite:
        async def rewrite(producer: FencedProducer) -> int:
            deleted = 0
            for topic, keys_of in owned.items():
                if lane < widths[topic]:
                    keys = keys_of(await read_table(settings, topic, lane), pipeline)
                    deleted += await _write_tombstones(producer, Partition(topic, lane), keys)
            return deleted

        return rewrite

    return sum(
        [
            await as_owner(settings, f"{names.quality_group}:{lane}", rewrite_of(lane))
            for lane in range(max(widths.values()))
        ]
    )


async def _delete_versions(settings: Settings, pipeline: str) -> int:
    """Delete the versions and the router's report, and remember the last number: a pipeline of that
    name that is applied later begins with the next one, so no number ever means two things."""
    names = settings.names
    topology = Partition(names.topology_topic, 0)

    async def rewrite(producer: FencedProducer) -> int:
        rows = await read_table(settings, names.topology_topic)
        keys = [key for key in rows if key.startswith(f"{pipeline}@".encode())]
        numbers = [int(number) for key in keys if (number := key.rpartition(b"@")[2]).isdigit()]
        row = orjson.loads(rows[INSTALLATION_KEY])
        row["deleted"] = {**row.get("deleted", {}), pipeline: max(numbers, default=0)}
        records = [
            OutgoingRecord(INSTALLATION_KEY, orjson.dumps(row)),
            *(OutgoingRecord(key, None) for key in keys),
        ]
        await uninterrupted(producer.transact({topology: records}, _now_ms()))
        return len(numbers)

    return await as_owner(settings, names.router_transactional_id, rewrite)


async def _write_tombstones(
    producer: FencedProducer, partition: Partition, keys: Sequence[bytes]
) -> int:
    for first in range(0, len(keys), MAX_TRANSACTION_ROWS):
        records = [OutgoingRecord(key, None) for key in keys[first : first + MAX_TRANSACTION_ROWS]]
        await uninterrupted(producer.transact({partition: records}, _now_ms()))
    return len(keys)


def _now_ms() -> int:
    return int(time.time() * 1000)
