"""Which root opens a run of which the books know nothing yet?

A run's id is computed from the position of its root, so the root is found by computing the ids of
the positions that a root can have.
"""

from __future__ import annotations

from collections.abc import Iterator

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.catalog.ownership import VersionIndex
from farandole.events.ledger_entry import RunRoot
from farandole.events.record_time import known_time_ms
from farandole.events.run_ids import RUN_ID_LENGTH
from farandole.events.run_row import RunEdge, RunRow, edge_name, new_edge, new_run_row
from farandole.events.schedule_origin import add_origin
from farandole.operations.events.record_lookup import record_at
from farandole.router.topology_store import read_topology

MAX_POSITIONS = 1_000_000
"""Positions of roots that are looked through, the newest of each partition; this takes a few
seconds at most."""


async def find_unread_run(settings: Settings, run: str) -> RunRow | None:
    """Return the row that a run would have, of which nothing has been worked yet: its root is
    emitted to each of its subscribers, and nothing is consumed. None if no root of a pipeline opens
    this run. `run` is a whole id. Raises BrokerError."""
    if len(run) != RUN_ID_LENGTH:
        return None
    table = await read_topology(settings)
    async with ClusterAdmin.open(settings) as admin:
        existing = await admin.all_topics()
        for pipeline in table.pipelines():
            index = VersionIndex(table.of(pipeline))
            topics = {
                version.events[root].topic
                for version in table.of(pipeline)
                for root in version.roots()
            }
            partitions = [TopicPartition(t, i) for t in topics for i in range(existing.get(t, 0))]
            firsts = await admin.start_offsets(partitions)
            ends = await admin.end_offsets(partitions)
            ranges = {tp: range(firsts[tp], ends[tp]) for tp in partitions}
            found = next(
                (
                    (tp, offset)
                    for tp, offset in _positions(ranges)
                    if index.root_run(tp.topic, tp.partition, offset).decode() == run
                ),
                None,
            )
            if found is not None:
                return await _unread_row(settings, index, run, *found)
    return None


def _positions(ranges: dict[TopicPartition, range]) -> Iterator[tuple[TopicPartition, int]]:
    """Yield the newest positions of each partition, MAX_POSITIONS in all at most, in ascending
    order: ids are computed in blocks."""
    each = MAX_POSITIONS // max(1, len(ranges))
    for tp, offsets in ranges.items():
        for offset in offsets[-each:]:
            yield tp, offset


async def _unread_row(
    settings: Settings, index: VersionIndex, run: str, tp: TopicPartition, offset: int
) -> RunRow | None:
    record = await record_at(settings, tp.topic, tp.partition, offset)
    owner = None if record is None else index.owner_of(record)
    if record is None or owner is None or owner.stage is not None:
        return None
    at = known_time_ms(record.timestamp) or 0
    to = [*owner.version.subscribers(owner.event_type)]
    root: RunRoot = {
        "type": owner.event_type,
        "topic": tp.topic,
        "partition": tp.partition,
        "offset": offset,
        "at": at,
        "to": to,
    }
    add_origin(root, record.headers)
    edges: dict[str, RunEdge] = {
        edge_name(owner.event_type, stage): {**new_edge(), "emitted": 1} for stage in to
    }
    version = owner.version
    new = new_run_row(run, version.pipeline, version.version, at)
    return {**new, "status": "running", "root": root, "edges": edges}
