"""Which versions are no longer needed?

A version is over when no run can begin under it and no run of it is open: every root that belongs
to it has been settled by all subscribers, and the books, which are read after that, show nothing of
it in flight. The order of these checks matters: the ledger entry of a root commits in the
transaction that settles the root, so once the offsets are past the end of the version, its entries
are in the ledger; and once the bookkeeper is past the end that the ledger had then, the run rows
contain these entries.

A replay of a dead letter opens a retired version again (`router/version_reopening.py`), and the
same checks retire it again. A replay and a router do not wait for each other. So a version that was
retired a short while ago, and of which something is in flight to a stage that nobody hosts now, is
opened again here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import structlog
from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import partition_lag
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.active_stages import active_stages
from farandole.catalog.version_boundaries import version_end
from farandole.events.run_row import (
    FOREIGN_EDGE_MARK,
    RunRow,
    edge_version,
    in_flight,
    parse_run_row,
    split_edge_name,
)
from farandole.events.topology_version import Version
from farandole.router.cluster_snapshot import stage_input_lags
from farandole.router.topology_store import read_topology
from farandole.router.version_reopening import open_version_row

log = structlog.get_logger()

_REPLAY_RACE = timedelta(hours=1)
"""How long after its retirement a replay that began before may still be found in the books."""

CommittedOffsets = Mapping[str, Mapping[TopicPartition, int | None]]
"""The committed offset of each partition that a stage reads, by stage."""


async def retire_versions(settings: Settings, pipeline: str) -> list[Version]:
    """Retire the versions of a pipeline that are over, and return them. Raises BrokerError and
    NotAppliedError."""
    table = await read_topology(settings)
    await _reopen_hurried(settings, pipeline, table.of(pipeline))
    # Versions that are older than the ledger have no entries in it.
    versions = [v for v in table.of(pipeline) if v.retired is None and v.ledger]
    if len(versions) < 2:
        return []
    async with ClusterAdmin.open(settings) as admin:
        existing = await admin.all_topics()
        inputs = await stage_input_lags(admin, settings, versions, existing)
        committed = {stage: {i.partition: i.committed for i in of} for stage, of in inputs.items()}
        ends = {each.partition: each.end for of in inputs.values() for each in of}
        passed = drained_versions(versions, committed, ends)
        if not passed or not await _ledger_is_folded(admin, settings, existing):
            return []
    busy = await _versions_in_use(settings, pipeline)
    over = [version for version in passed if version.version not in busy]
    now = datetime.now(UTC)
    retired = [version.model_copy(update={"retired": now}) for version in over]
    rows = {version.name: version.model_dump_json().encode() for version in retired}
    await _write_rows(settings, rows)
    for version in over:
        log.info("version.retired", version=version.name)
    return over


async def _reopen_hurried(settings: Settings, pipeline: str, versions: Sequence[Version]) -> None:
    """Open the versions again that were retired while something of them was replayed."""
    since = datetime.now(UTC) - _REPLAY_RACE
    recent = [v for v in versions if v.retired is not None and v.retired > since]
    if not recent:
        return
    hosted = active_stages({version.version: version for version in versions})
    in_use = await _versions_in_use(settings, pipeline)
    hurried = [v for v in recent if in_use.get(v.version, set()) - hosted.keys()]
    rows = {version.name: open_version_row(version).value for version in hurried}
    await _write_rows(settings, rows)
    for version in hurried:
        log.info("version.reopened", version=version.name)


async def _write_rows(settings: Settings, rows: Mapping[str, bytes | None]) -> None:
    """Write rows of `farandole.topology`, by the name of the version."""
    if not rows:
        return
    async with open_client(make_producer(settings), settings) as writer:
        for name, value in rows.items():
            sent = writer.send_and_wait(
                settings.names.topology_topic, key=name.encode(), value=value, partition=0
            )
            await with_deadline(sent, settings.deadline, f"writing {name}")


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


async def _versions_in_use(settings: Settings, pipeline: str) -> dict[int, set[str]]:
    """Return, by number, the versions that a run of the pipeline still needs, and the stages to
    which events of them are in flight."""
    busy: dict[bytes, Mapping[int, set[str]]] = {}
    async with aclosing(scan(settings, [settings.names.runs_topic])) as batches:
        async for records in batches:
            for record in records:
                row = parse_run_row(record.value)
                if record.key is None or (row is not None and row["pipeline"] != pipeline):
                    continue
                needs = versions_of_run(row) if row is not None else None
                if needs:
                    busy[record.key] = needs
                else:
                    busy.pop(record.key, None)
    found: dict[int, set[str]] = {}
    for versions in busy.values():
        for version, stages in versions.items():
            found.setdefault(version, set()).update(stages)
    return found


def versions_of_run(row: RunRow) -> dict[int, set[str]]:
    """Return the versions that a run needs: its own while it is open, and those of which events are
    in flight, after a replay also in a complete run; with the stages to which they are on their
    way."""
    needs: dict[int, set[str]] = {} if row["closed"] is not None else {row["version"]: set()}
    for name, edge in row["edges"].items():
        version = edge_version(row, name)
        if version is not None and in_flight(edge) > 0:
            stage = split_edge_name(name)[1].partition(FOREIGN_EDGE_MARK)[0]
            needs.setdefault(version, set()).add(stage)
    return needs
