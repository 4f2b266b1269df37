"""What does a backup hold, and how is it read from Kafka?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as release
from pathlib import Path

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.transactions import FencedProducer
from farandole.catalog.pipeline_footprint import pipeline_footprint
from farandole.catalog.topology_table import TopologyTable, read_topology
from farandole.events.record import Record, UndecodableRecord
from farandole.operations.backup.backup_file import (
    Backup,
    SavedOffset,
    SavedPartition,
    SavedRecord,
    value_digest,
    write_backup,
)
from farandole.operations.errors import NotFoundError, RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.row_ownership import as_owner


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """Where the backup is written."""

    file: Path


class BackupResult(Result):
    """What a backup holds."""

    file: str
    pipelines: list[str]
    records: int
    offsets: int
    """Committed offsets, by group and partition."""
    working: list[str]
    """Groups of stages that had members: what they did meanwhile may be in one part of the backup
    and not in another."""


@operation
@recorded("backup", lambda request: request.file.name)
async def back_up(installation: Installation, request: BackupRequest) -> BackupResult:
    """Write what only this installation knows into a file. Raises NotFoundError
    (`nothing_applied`), and RefusedError (`file_unusable`) if it cannot be written."""
    settings = installation.settings
    table = await read_topology(settings)
    if table.installation is None:
        raise NotFoundError("nothing_applied", f"nothing was applied to {settings.bootstrap}")
    async with ClusterAdmin.open(settings) as admin:
        reader = _BackupReader(settings, admin, table, await admin.all_topics())
        backup = await reader.read(await admin.cluster_id())
        working = [group for group in reader.stage_groups if await admin.count_members(group)]
    try:
        write_backup(request.file, backup)
    except OSError as error:
        raise RefusedError(
            "file_unusable", f"{request.file} cannot be written: {error.strerror}"
        ) from None
    installation.deed.after = {"pipelines": table.pipelines(), "records": len(backup.records)}
    return BackupResult(
        file=str(request.file),
        pipelines=table.pipelines(),
        records=len(backup.records),
        offsets=len(backup.offsets),
        working=working,
    )


class _BackupReader:
    """Reads one installation. Names lose the namespace: another one may restore them."""

    def __init__(
        self, settings: Settings, admin: ClusterAdmin, table: TopologyTable, widths: dict[str, int]
    ) -> None:
        self._settings = settings
        self._names = settings.names
        self._admin = admin
        self._table = table
        self._widths = widths
        self._footprints = {
            pipeline: pipeline_footprint(settings.names, table.of(pipeline))
            for pipeline in table.pipelines()
        }
        self.stage_groups = [g for f in self._footprints.values() for g in f.groups.values()]

    async def read(self, cluster: str) -> Backup:
        """Return everything. Offsets of stages come before their parked events: an event that is
        parked meanwhile is then read again, not lost."""
        names = self._names
        events = sorted({t for f in self._footprints.values() for t in f.event_topics})
        raw = sorted({t for f in self._footprints.values() for t in f.raw_topics})
        rows = sorted({t for f in self._footprints.values() for t in f.stage_topics})
        offsets = [
            *await self._offsets(self.stage_groups, [*events, *raw, *rows]),
            *await self._offsets([names.notifier_group], rows),
        ]
        offsets += [*self._program_offsets(offsets)]
        records = await self._records([names.topology_topic, names.control_topic, *rows])
        records += await self._notifier_rows()
        for lane in range(self._widths.get(names.runs_topic, 0)):
            records += await self._bookkeeper_rows(lane)
        records += await self._scheduler_rows()
        # Behind the rows of the runs: a gate that has opened since is open.
        records += await self._records([names.gates_topic, names.actions_topic])
        for group in (names.notifier_group, names.bookkeeper_group, names.scheduler_group):
            await self._admin.delete_group(_proof_group(group))
        header = {
            "release": release("farandole"),
            "taken": datetime.now(UTC).isoformat(),
            "cluster": cluster,
            "namespace": names.namespace,
            "installation": str(self._table.installation and self._table.installation.id),
            "pipelines": self._table.pipelines(),
        }
        kept = [*events, names.ledger_topic, names.alerts_topic]
        return Backup(header, records, offsets, await self._partitions(kept))

    async def _notifier_rows(self) -> list[SavedRecord]:
        """Return incidents and notices as of one moment."""
        topics = [self._names.incidents_topic, self._names.outbox_topic]

        async def read(producer: FencedProducer) -> list[SavedRecord]:
            found = await self._records(topics)
            await _prove_ownership(producer, self._names.notifier_group, topics[0], 0)
            return found

        return await as_owner(self._settings, f"{self._names.notifier_group}:0", read)

    async def _scheduler_rows(self) -> list[SavedRecord]:
        """Return the state of schedules, and what became of their planned times, as of one
        moment."""
        topics = [self._names.schedules_topic, self._names.firings_topic]
        if not self._widths.keys() >= set(topics):
            return []  # an older release has created the topics

        async def read(producer: FencedProducer) -> list[SavedRecord]:
            found = await self._records(topics)
            await _prove_ownership(producer, self._names.scheduler_group, topics[0], 0)
            return found

        return await as_owner(self._settings, f"{self._names.scheduler_group}:0", read)

    async def _bookkeeper_rows(self, lane: int) -> list[SavedRecord]:
        """Return the rows and the position of one lane as of one moment: with an older position
        entries would be counted twice."""
        topics = [self._names.runs_topic, self._names.bookkeeper_state_topic]

        async def read(producer: FencedProducer) -> list[SavedRecord]:
            found = await self._records(topics, lane)
            await _prove_ownership(producer, self._names.bookkeeper_group, topics[0], lane)
            return found

        return await as_owner(self._settings, f"{self._names.bookkeeper_group}:{lane}", read)

    async def _records(
        self, topics: Iterable[str], partition: int | None = None
    ) -> list[SavedRecord]:
        """Return the records of topics; of compacted ones the newest of each key."""
        found: list[SavedRecord] = []
        for topic in topics:
            start = {
                TopicPartition(topic, index): 0
                for index in range(self._widths.get(topic, 0))
                if partition in (None, index)
            }
            every: list[Record] = []
            async with aclosing(scan(self._settings, [topic], start=start)) as batches:
                async for records in batches:
                    every += [r for r in records if not isinstance(r, UndecodableRecord)]
            kept = every if topic.endswith(".dead") else _newest_of_each_key(every)
            found += [self._saved(record) for record in kept]
        return found

    def _saved(self, record: Record) -> SavedRecord:
        topic = record.topic.removeprefix(self._names.prefix)
        place = (topic, record.partition, record.offset, record.timestamp)
        return SavedRecord(*place, record.key, record.value, list(record.headers))

    async def _offsets(self, groups: Sequence[str], topics: Iterable[str]) -> list[SavedOffset]:
        tps = [TopicPartition(t, i) for t in topics for i in range(self._widths.get(t, 0))]
        prefix, found = self._names.prefix, []
        for group in groups:
            committed = await self._admin.committed_offsets(group, tps)
            found += [
                SavedOffset(
                    group.removeprefix(prefix), tp.topic.removeprefix(prefix), tp.partition,
                    at.offset,
                )
                for tp, at in committed.items()
                if at is not None
            ]  # fmt: skip
        return found

    def _program_offsets(self, offsets: Iterable[SavedOffset]) -> Iterator[SavedOffset]:
        """Yield the offsets at which programs without transactions begin again: where the lanes of
        their stages are, because what they wrote to the raw topics since may not be restored."""
        programs = {
            footprint.groups[stage].removeprefix(self._names.prefix): group
            for footprint in self._footprints.values()
            for stage, group in footprint.outside_groups.items()
        }
        for saved in offsets:
            if saved.group in programs and not saved.topic.endswith((".raw", ".retry", ".dead")):
                group = programs[saved.group].removeprefix(self._names.prefix)
                yield saved._replace(group=group)

    async def _partitions(self, topics: Iterable[str]) -> list[SavedPartition]:
        tps = [TopicPartition(t, i) for t in topics for i in range(self._widths.get(t, 0))]
        ends = await self._admin.end_offsets(tps, stable=True)
        return [
            SavedPartition(
                tp.topic.removeprefix(self._names.prefix),
                tp.partition,
                ends[tp],
                await last_record(self._settings, tp, ends[tp]),
            )
            for tp in tps
        ]


async def last_record(
    settings: Settings, tp: TopicPartition, end: int
) -> tuple[int, int, str] | None:
    """Return offset, timestamp and digest of the last committed record before `end`; None if there
    is none among the hundred offsets before it."""
    last = None
    start, until = {tp: max(0, end - 100)}, {tp: end}
    async with aclosing(scan(settings, [tp.topic], start=start, until=until)) as batches:
        async for records in batches:
            last = records[-1]
    return None if last is None else (last.offset, last.timestamp, value_digest(last.value))


def _newest_of_each_key(records: Iterable[Record]) -> list[Record]:
    newest: dict[tuple[int, bytes | None], Record] = {}
    for record in records:
        newest.pop((record.partition, record.key), None)
        if record.value is not None and record.key is not None:
            newest[record.partition, record.key] = record
    return list(newest.values())


async def _prove_ownership(producer: FencedProducer, group: str, topic: str, lane: int) -> None:
    """Commit an empty transaction of the owner. Raises ProducerFencedError if the owner has been
    born again, and may have written while we read."""
    place = {TopicPartition(topic, lane): 0}
    await producer.transact({}, 0, {_proof_group(group): place})


def _proof_group(group: str) -> str:
    """Return the name of a group that nobody reads: its offsets only end a transaction."""
    return f"{group}.backup"
