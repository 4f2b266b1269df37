"""How is a backup brought onto a cluster on which the installation does not exist?

The versions go last: until they are there nothing works, and a restore that was killed can be
called again. Topics of data are left as they are: one that is missing is created and begins anew,
one that holds the records of the backup at their offsets (a mirror that keeps offsets, a copy of
the disks) goes on where the groups were. Anything else is refused.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import (
    make_admin_client,
    make_consumer,
    make_producer,
    open_client,
    with_deadline,
)
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.broker.transactions import fenced_producer
from farandole.catalog.topology_table import TopologyDecoder, TopologyTable, read_topology
from farandole.events import settlement_record
from farandole.events.header_codec import decode_headers
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.record_time import to_milliseconds
from farandole.operations.backup.backup import last_record
from farandole.operations.backup.backup_file import (
    Backup,
    SavedPartition,
    SavedRecord,
    UnusableBackupError,
    read_backup,
)
from farandole.operations.backup.later_firings import with_later_firings
from farandole.operations.backup.restored_rows import (
    RestoredRows,
    in_place,
    with_moved_cursor,
)
from farandole.operations.errors import ConflictError, RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.router.topology_derivation import derive_from_version

_MAX_BATCH_BYTES = 512 * 1024
_LONGEST_BACKUP = timedelta(hours=1)
"""A schedule may have fired after its row was saved, and before the backup was at its end."""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """The file to restore."""

    file: Path


class RestoreResult(Result):
    """What was restored."""

    pipelines: list[str]
    taken: str
    records: int
    offsets: int
    fresh: list[str]
    """Topics of data that have begun anew: their events are lost."""
    kept: list[str]
    """Topics of data that were there, with the records of the backup at their offsets."""


@operation
@recorded("restore", lambda request: request.file.name)
async def restore(installation: Installation, request: RestoreRequest) -> RestoreResult:
    """Restore a backup. Raises RefusedError (`file_unusable`) and ConflictError (`not_empty`,
    `offsets_differ`)."""
    settings = installation.settings
    try:
        backup = read_backup(request.file)
    except (UnusableBackupError, OSError) as error:
        raise RefusedError("file_unusable", f"nothing was restored: {error}") from None
    if (await read_topology(settings)).installation is not None:
        raise ConflictError(
            "not_empty",
            f"nothing was restored: {settings.bootstrap} has an installation already; another "
            "namespace (FARANDOLE_NAMESPACE) has none",
        )
    async with ClusterAdmin.open(settings) as admin:
        job = _RestoreJob(settings, admin, backup)
        await job.run()
    installation.deed.after = {
        "pipelines": backup.header["pipelines"],
        "taken": backup.header["taken"],
        "records": len(backup.records),
    }
    return RestoreResult(
        pipelines=backup.header["pipelines"],
        taken=backup.header["taken"],
        records=len(backup.records),
        offsets=len(backup.offsets),
        fresh=sorted(job.fresh),
        kept=sorted({each.topic for each in backup.partitions} - job.fresh),
    )


class _RestoreJob:
    """One restore. Topics are named without the namespace."""

    def __init__(self, settings: Settings, admin: ClusterAdmin, backup: Backup) -> None:
        self._settings = settings
        self._names = settings.names
        self._admin = admin
        self._backup = backup
        self.fresh: set[str] = set()
        self._rewritten: set[TopicPartition] = set()
        """Partitions of retry topics whose rows have other offsets than in the backup."""

    async def run(self) -> None:
        await self._compare_data()
        rows = RestoredRows(KafkaNames(self._backup.header["namespace"]), self._names, self.fresh)
        records = [rows.change(each) for each in self._backup.records]
        records = await self._with_later_firings(records)
        await self._admin.create_topics(self._topics(records))
        records = with_moved_cursor(records, await self._run_ends())
        by_topic: dict[str, list[SavedRecord]] = defaultdict(list)
        for record in records:
            by_topic[record.topic].append(record)
        versions = by_topic.pop(KafkaNames().topology_topic, [])
        producer = make_producer(self._settings)
        async with open_client(producer, self._settings):
            for topic, of_topic in by_topic.items():
                await self._write_topic(producer, topic, of_topic)
        await self._commit_offsets()
        async with fenced_producer(
            self._settings, self._names.router_transactional_id
        ) as publisher:
            outgoing = [OutgoingRecord(each.key, each.value) for each in versions]
            place = Partition(self._names.topology_topic, 0)
            await publisher.transact({place: outgoing}, int(time.time() * 1000))

    async def _compare_data(self) -> None:
        """Find the topics that begin anew. Raises ConflictError (`offsets_differ`)."""
        existing = await self._admin.all_topics()
        places = {each: self._place(each) for each in self._backup.partitions}
        there = [tp for tp in places.values() if tp.partition < existing.get(tp.topic, 0)]
        ends = await self._admin.end_offsets(there)
        holding: dict[str, TopicPartition] = {}
        for each, tp in places.items():
            end = ends.get(tp, 0)
            if tp not in ends or (each.end and not end):
                self.fresh.add(each.topic)
            elif end < each.end or not await self._holds_last_record(tp, each):
                raise _differs(
                    tp,
                    f"{tp.topic}/{tp.partition} does not hold the records of the backup at their"
                    f" offsets (it ends at {end}, and ended at {each.end})",
                )
            elif each.end:
                holding[each.topic] = tp
        for topic in sorted(self.fresh & holding.keys()):
            tp = holding[topic]
            raise _differs(
                tp,
                f"{tp.topic}/{tp.partition} holds the records of the backup, and other partitions"
                " of the topic do not",
            )

    def _place(self, saved: SavedPartition) -> TopicPartition:
        return TopicPartition(self._names.prefix + saved.topic, saved.partition)

    async def _holds_last_record(self, tp: TopicPartition, saved: SavedPartition) -> bool:
        """Return True if the last record before the saved end is the one that was saved."""
        found = await last_record(self._settings, tp, saved.end) if saved.last else None
        return found == saved.last

    async def _run_ends(self) -> Mapping[int, int]:
        """Return the ends of `farandole.runs`: a restore that was killed has written rows there."""
        topic = self._names.runs_topic
        width = (await self._admin.topics([topic])).get(topic, 0)
        partitions = [TopicPartition(topic, index) for index in range(width)]
        ends = await self._admin.end_offsets(partitions)
        return {tp.partition: end for tp, end in ends.items()}

    async def _with_later_firings(self, records: list[SavedRecord]) -> list[SavedRecord]:
        """Return the records with what schedules have fired since the backup was taken."""
        kept = {
            spec.topic: version.pipeline
            for version in _table(records).versions
            for schedule in version.schedules.values()
            if (spec := version.events.get(schedule.triggers)) is not None
            and spec.topic.removeprefix(self._names.prefix) not in self.fresh
        }
        taken = datetime.fromisoformat(self._backup.header["taken"]) - _LONGEST_BACKUP
        since = to_milliseconds(taken)
        return await with_later_firings(self._settings, self._admin, records, kept, since)

    def _topics(self, records: Iterable[SavedRecord]) -> Mapping[str, TopicSpec]:
        topics: dict[str, TopicSpec] = {}
        for version in _table(records).versions:
            topics |= derive_from_version(version, self._names).topics
        return topics

    async def _write_topic(
        self, producer: AIOKafkaProducer, topic: str, records: Sequence[SavedRecord]
    ) -> None:
        """Write the records of a topic whose partitions are empty; others are left as they are."""
        by_partition: dict[int, list[SavedRecord]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        for partition, of_partition in by_partition.items():
            tp = TopicPartition(self._names.prefix + topic, partition)
            end = (await self._admin.end_offsets([tp]))[tp]
            if topic.endswith(".dead"):
                # Others name letters by their offsets: each gets its own again.
                rows = list(in_place(of_partition, _settles_nothing(topic, partition)))[end:]
                await self._write(producer, tp, rows)
                await self._drop_before(tp, of_partition[0].offset)
            elif topic == KafkaNames().control_topic:
                # Ends of switches, rows of runs and states of lanes name documents by their
                # offsets.
                in_order = sorted(of_partition, key=lambda each: each.offset)
                rows = list(in_place(in_order, _deletes_nothing(topic, partition)))[end:]
                await self._write(producer, tp, rows)
            elif topic == KafkaNames().actions_topic:
                await self._write(producer, tp, of_partition[end:])  # a killed restore wrote some
            elif end == 0 or not _is_written_by_lanes(topic):
                self._rewritten.add(tp)
                await self._write(producer, tp, of_partition)

    async def _write(
        self, producer: AIOKafkaProducer, tp: TopicPartition, records: Sequence[SavedRecord]
    ) -> None:
        batch, size = producer.create_batch(), 0
        for record in records:
            headers = list(record.headers)
            written = {"key": record.key, "value": record.value, "headers": headers}
            stamp = max(0, record.timestamp)
            if size > _MAX_BATCH_BYTES or batch.append(timestamp=stamp, **written) is None:
                await self._send(producer, batch, tp)
                batch, size = producer.create_batch(), 0
                batch.append(timestamp=stamp, **written)
            size += len(record.value or b"") + 200
        if batch.record_count():
            await self._send(producer, batch, tp)

    async def _send(self, producer: AIOKafkaProducer, batch: object, tp: TopicPartition) -> None:
        batch.close()  # type: ignore[attr-defined]
        sending = await producer.send_batch(batch, tp.topic, partition=tp.partition)
        await with_deadline(sending, self._settings.deadline, f"writing to {tp.topic}")

    async def _drop_before(self, tp: TopicPartition, offset: int) -> None:
        async with open_client(make_admin_client(self._settings), self._settings) as client:
            await with_deadline(
                client.delete_records({tp: RecordsToDelete(offset)}),
                self._settings.deadline,
                f"deleting the fillers of {tp.topic}",
            )

    async def _commit_offsets(self) -> None:
        """Commit the offset of each group in each partition: as saved where the topic was kept, at
        the start where it has begun anew, and in rewritten topics behind what the group has
        read."""
        by_group: dict[str, dict[TopicPartition, int]] = defaultdict(dict)
        for saved in self._backup.offsets:
            if saved.committed is None:
                continue
            tp = TopicPartition(self._names.prefix + saved.topic, saved.partition)
            offset = 0 if saved.topic in self.fresh else saved.committed
            if saved.topic.endswith(".retry"):
                end = (await self._admin.end_offsets([tp]))[tp]
                if tp in self._rewritten:
                    offset = self._read_rows(saved.topic, saved.partition, offset)
                offset = min(offset, end)
            if saved.topic.endswith(".raw"):
                # Its program begins where its lanes are, and writes everything again.
                offset = (await self._admin.end_offsets([tp]))[tp]
            by_group[self._names.prefix + saved.group][tp] = offset
        await self._add_service_offsets(by_group)
        for group, offsets in by_group.items():
            member = make_consumer(self._settings, group=group)
            async with open_client(member, self._settings):
                member.assign(list(offsets))
                await with_deadline(
                    member.commit(offsets), self._settings.deadline, f"the offsets of {group}"
                )

    def _read_rows(self, topic: str, partition: int, committed: int) -> int:
        """Return how many rows of a retry partition its lane had read: later ones are replays that
        it has not taken up."""
        return sum(
            1
            for each in self._backup.records
            if (each.topic, each.partition) == (topic, partition) and each.offset < committed
        )

    async def _add_service_offsets(self, by_group: Mapping[str, dict[TopicPartition, int]]) -> None:
        """The notifier knows the control documents from its tables, and the bookkeeper its place in
        the ledger from its state."""
        names = self._names
        control = TopicPartition(names.control_topic, 0)
        of_notifier = by_group[names.notifier_group]
        of_notifier |= await self._admin.end_offsets([control])
        alerts = TopicPartition(names.alerts_topic, 0)
        fresh = KafkaNames().alerts_topic in self.fresh
        of_notifier[alerts] = 0 if fresh else (await self._admin.end_offsets([alerts]))[alerts]


def _table(records: Iterable[SavedRecord]) -> TopologyTable:
    topology = KafkaNames().topology_topic
    return TopologyDecoder().decode(
        {each.key: each.value for each in records
         if each.topic == topology and each.key and each.value}
    )  # fmt: skip


def _is_written_by_lanes(topic: str) -> bool:
    """Return True if a topic holds parked events or the state of a stage's lanes."""
    return topic.endswith((".retry", ".state")) and topic != KafkaNames().bookkeeper_state_topic


def _differs(tp: TopicPartition, what: str) -> ConflictError:
    return ConflictError(
        "offsets_differ",
        f"nothing was restored: {what}; mirror the topic with its offsets, or delete it: then it"
        " begins anew",
        topic=tp.topic,
        partition=tp.partition,
    )


def _deletes_nothing(topic: str, partition: int) -> SavedRecord:
    """Return a record that deletes a document that is not there."""
    return SavedRecord(topic, partition, 0, int(time.time() * 1000), b"restore", None)


def _settles_nothing(topic: str, partition: int) -> SavedRecord:
    """Return a record that everything that reads dead letters skips."""
    (row,) = settlement_record.make_settlements(
        [0], "discarded", by="restore", at=datetime.now(UTC), reason="fills an offset"
    )
    value = (row.value or b"").replace(b'"settles":[0]', b'"settles":[]')
    headers = decode_headers(row.headers)
    return SavedRecord(topic, partition, 0, int(time.time() * 1000), None, value, headers)
