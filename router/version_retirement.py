"""Which versions are no longer needed?

A version is over when no run can begin under it and no run of it is open: every root that belongs
to it has been settled by all subscribers, and the books, which are read after that, show nothing of
it in flight. The order of these checks matters: the ledger entry of a root commits in the
transaction that settles the root, so once the offsets are past the end of the version, its entries
are in the ledger; and once the bookkeeper is past the end that the ledger had then, the run rows
contain these entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import structlog
from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import partition_lag
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.version_boundaries import version_end
from farandole.events.run_row import parse_run_row
from farandole.events.topology_version import Version
from farandole.router.cluster_snapshot import stage_input_lags
from farandole.router.topology_store import read_topology

log = structlog.get_logger()

CommittedOffsets = Mapping[str, Mapping[TopicPartition, int | None]]
"""The committed offset of each partition that a stage reads, by stage."""


async def retire_versions(settings: Settings, pipeline: str) -> list[Version]:
    """Retire the versions of a pipeline that are over, and return them. Raises BrokerError and
    NotAppliedError."""
    table = await read_topology(settings)
    # Versions that are older than the ledger have no entries in it.
    versions = [v for v in table.of(pipeline) if v.retired is None and v.ledger]
    if len(versions) < 2:
        return []
    async with ClusterAdmin.open(settings) as admin:
        existing = await admin.topics()
        inputs = await stage_input_lags(admin, settings, versions, existing)
        committed = {stage: {i.partition: i.committed for i in of} for stage, of in inputs.items()}
        ends = {each.partition: each.end for of in inputs.values() for each in of}
        passed = drained_versions(versions, committed, ends)
        if not passed or not await _ledger_is_folded(admin, settings, existing):
            return []
    busy = await _versions_with_open_runs(settings, pipeline)
    over = [version for version in passed if version.version not in busy]
    now = datetime.now(UTC)
    async with open_client(make_producer(settings), settings) as writer:
        for version in over:
            row = version.model_copy(update={"retired": now})
            sent = writer.send_and_wait(
                settings.names.topology_topic,
                key=version.name.encode(),
                value=row.model_dump_json().encode(),
                partition=0,
            )
            await with_deadline(sent, settings.deadline, f"retiring {version.name}")
            log.info("version.retired", version=version.name)
    return over


def drained_versions(
    versions: Sequence[Version], committed: CommittedOffsets, ends: Mapping[TopicPartition, int]
) -> list[Version]:
    """Return those of a pipeline's versions (oldest first) whose roots are all settled; never the
    newest.

    The roots of a version end at the boundary of the next version that has the topic; if there is
    none, at the current end of the topic.
    """

    def end(later: Sequence[Version], tp: TopicPartition) -> int:
        boundary = version_end(later, tp.topic, tp.partition)
        return ends[tp] if boundary is None else boundary

    return [
        version
        for index, version in enumerate(versions[:-1])
        if all(
            (found.get(tp) or 0) >= end(versions[index + 1 :], tp)
            for stage, found in committed.items()
            if stage in version.stages
            for tp in found
            if any(version.events[t].topic == tp.topic for t in version.stages[stage].subscribes)
        )
    ]


async def _ledger_is_folded(
    admin: ClusterAdmin, settings: Settings, existing: Mapping[str, int]
) -> bool:
    """Return True if the bookkeeper has read everything that is in the ledger now."""
    names = settings.names
    partitions = {
        TopicPartition(names.ledger_topic, i): ""
        for i in range(existing.get(names.ledger_topic, 0))
    }
    found = await partition_lag(admin, names.bookkeeper_group, partitions)
    return bool(found) and not any(each.lag > 0 for each in found)


async def _versions_with_open_runs(settings: Settings, pipeline: str) -> set[int]:
    """Return the numbers of the versions that have a run which is not complete."""
    busy: dict[bytes, int] = {}
    async with aclosing(scan(settings, [settings.names.runs_topic])) as batches:
        async for records in batches:
            for record in records:
                row = parse_run_row(record.value)
                if record.key is None or (row is not None and row["pipeline"] != pipeline):
                    continue
                if row is None or row["closed"] is not None:
                    busy.pop(record.key, None)
                else:
                    busy[record.key] = row["version"]
    return set(busy.values())
