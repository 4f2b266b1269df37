"""How are the topics and the ledger of one pipeline read for an audit?"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from aiokafka import TopicPartition
from xxhash import xxh3_64_intdigest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.ownership import Owner, VersionIndex
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.event_position import living_name
from farandole.events.ledger_entry import LedgerEntry, without_deleted
from farandole.events.record import Record
from farandole.events.record_time import known_time_ms, past_time_ms
from farandole.ledger import entry_validation
from farandole.ledger.audit_comparison import (
    AuditCell,
    AuditEdge,
    EdgeSums,
    RetentionLoss,
    add_entry_sums,
)

MAX_KEPT_IDS = 1_000_000
"""Ids that are kept in memory."""

RunGroup = Callable[[str], Hashable | None]
"""The group in which a run is counted; None if it is not counted."""
EventVisitor = Callable[[str, AuditEdge, int, str, Record], None]
"""Called with an event at an edge: run, edge, hash of the id, id and record."""
ReportProgress = Callable[[str, int, int], None]
"""Called with what is read, how many offsets of it were read, and how many there are."""


class OwnedEvent(NamedTuple):
    """An event of a topic, with what its version says of it."""

    record: Record
    owner: Owner
    run: bytes
    id: bytes
    """That of a root is its run."""


def now_ms() -> int:
    """Return the time in milliseconds of the epoch."""
    return int(time.time() * 1000)


class AuditReader:
    """Reads topics and ledger of one pipeline, once for each step of the audit."""

    def __init__(
        self,
        settings: Settings,
        admin: ClusterAdmin,
        versions: VersionsByNumber,
        began: float,
        progress: ReportProgress,
    ) -> None:
        """`began`: entries from this time on, in ms of the epoch, belong to transactions that may
        not have been committed when the reading began."""
        self._settings = settings
        self._admin = admin
        self.versions = versions
        self.began = began
        self._progress = progress
        self._index = VersionIndex(versions.values())
        self.pipeline = versions[max(versions)].pipeline
        self._oldest = min(versions)
        self._topics = sorted({e.topic for v in versions.values() for e in v.events.values()})
        self._emits: dict[str | None, set[str]] = {}
        for name, stage in ((n, s) for v in versions.values() for n, s in v.stages.items()):
            self._emits.setdefault(name, set()).update(stage.emits)
        self._consumed: dict[tuple[str, str, int], int] = {}
        """The committed offset, by stage, topic and partition."""
        self.retention: RetentionLoss = RetentionLoss()
        """Up to when retention may have deleted records."""
        self.at_work: set[Hashable] = set()
        """Runs that have entries since `began`."""

    async def prepare(self) -> None:
        """Read the committed offsets. This comes first, so that the books, which are read later,
        contain everything before these offsets."""
        names = self._settings.names
        existing = await self._admin.topics([*self._topics, names.ledger_topic])
        tps = [TopicPartition(t, i) for t in self._topics for i in range(existing.get(t, 0))]
        for stage in {s for v in self.versions.values() for s in v.stages}:
            done = await self._admin.committed_offsets(names.stage_group(self.pipeline, stage), tps)
            for tp, at in done.items():
                self._consumed[stage, tp.topic, tp.partition] = at.offset if at else 0
        types = {e.topic: t for v in self.versions.values() for t, e in v.events.items()}
        limits: dict[str, int] = {}
        for tp, limit in (await self._retention_limits(tps)).items():
            limits[types[tp.topic]] = max(limit, limits.get(types[tp.topic], -1))
        ledger = [
            TopicPartition(names.ledger_topic, i)
            for i in range(existing.get(names.ledger_topic, 0))
        ]
        of_books = await self._retention_limits(ledger)
        self.retention = RetentionLoss(limits, max(of_books.values()) if of_books else None)

    async def _retention_limits(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Return, for each partition from which retention has deleted records, the time up to which
        it may have: that of the oldest record left, plus the difference that clocks and
        transactions can make."""
        found = {}
        for tp, first in (await self._admin.start_offsets(tps)).items():
            if not first:
                continue
            found[tp] = now_ms()
            start = {tp: first}
            async with aclosing(scan(self._settings, [tp.topic], start=start)) as batches:
                async for records in batches:
                    oldest = past_time_ms(records[0].timestamp, found[tp])
                    found[tp] = oldest + int(1000 * self._settings.transaction_timeout)
                    break
        return found

    async def sums(self, group: RunGroup) -> tuple[EdgeSums, EdgeSums]:
        """Return the sums from the topics and those from the books, by group of runs and edge."""
        topics, books = EdgeSums(group), EdgeSums(group)

        def add(run: str, edge: AuditEdge, hash_: int, _: str, record: Record) -> None:
            topics.add(run, edge, 1, hash_, known_time_ms(record.timestamp) or 0)

        await self._visit_events(add)
        async for entries in self.entries():
            for _, entry in entries:
                add_entry_sums(books, entry)
                if entry["at"] >= self.began and len(self.at_work) < MAX_KEPT_IDS:
                    runs = (group(part["run"]) for part in entry["runs"])
                    self.at_work |= {each for each in runs if isinstance(each, str)}
        return topics, books

    async def ids(self, cells: list[AuditCell]) -> dict[AuditCell, dict[int, str]]:
        """Return, by edge, event ids by their hashes: of the events in the topics, and of events
        that could have been there (the first result of each event that a stage has consumed)."""
        wanted = set(cells)
        runs = {name for name, _ in cells}
        found: dict[AuditCell, dict[int, str]] = {cell: {} for cell in cells}
        kept = 0

        def keep(run: str, edge: AuditEdge, hash_: int, event_id: str, record: Record) -> None:
            nonlocal kept
            if run not in runs or kept >= MAX_KEPT_IDS:
                return
            if (run, edge) in wanted:
                found[run, edge][hash_] = event_id
                kept += 1
            for output in self._emits.get(edge.stage, ()):
                cell = run, AuditEdge(output, None)
                if cell in wanted:
                    name = living_name(edge.event_type, self._index.life(record.topic))
                    possible = f"{name}/{record.partition}/{record.offset}/0"
                    found[cell][xxh3_64_intdigest(possible.encode())] = possible
                    kept += 1

        await self._visit_events(keep)
        return found

    async def entries(self) -> AsyncGenerator[list[tuple[Record, LedgerEntry]]]:
        """Yield the valid entries of the pipeline, without its deleted versions."""
        async for records in self.read("ledger", [self._settings.names.ledger_topic]):
            found = []
            for record in records:
                entry = entry_validation.parse_entry(record.value)
                if entry is not None and entry["pipeline"] == self.pipeline:
                    entry = without_deleted(entry, self.pipeline, self._oldest)
                    found.append((record, entry))
            yield found

    async def events(self, topics: Collection[str]) -> AsyncGenerator[list[OwnedEvent]]:
        """Yield the events in some of the pipeline's topics. A root that was sent on to the
        partition of its key is there alone."""
        async for records in self.read("events", sorted(topics)):
            yield [each for each in map(self.owned, records) if each is not None]

    def owned(self, record: Record) -> OwnedEvent | None:
        """Return the event in a record; None if no books count it where it is."""
        owner = self._index.owner_of(record)
        if owner is None or not owner.version.ledger or self._index.is_forwarded(record, owner):
            return None  # a forwarded event is in its own partition too
        run = self._index.run_of(record, owner)
        event_id = run if owner.stage is None else dict(record.headers).get("ce_id") or b""
        return OwnedEvent(record, owner, run, event_id)

    def has_consumed(self, stage: str, record: Record) -> bool:
        """Return True if the committed offset of a stage is beyond a record."""
        return record.offset < self._consumed.get((stage, record.topic, record.partition), 0)

    async def read(self, what: str, topics: Sequence[str]) -> AsyncGenerator[list[Record]]:
        """Yield all records of these topics, and report how far the reading is."""
        existing = await self._admin.topics(topics)
        tps = [TopicPartition(t, i) for t in topics for i in range(existing.get(t, 0))]
        first, ends = await self._admin.start_offsets(tps), await self._admin.end_offsets(tps)
        total = sum(ends[tp] - first[tp] for tp in tps)
        read: dict[tuple[str, int], int] = {}
        async with aclosing(scan(self._settings, topics, admin=self._admin)) as batches:
            async for records in batches:
                last = records[-1]
                tp = TopicPartition(last.topic, last.partition)
                read[tp] = last.offset + 1 - first[tp]
                self._progress(f"reading {what}", min(total, sum(read.values())), total)
                yield records

    async def _visit_events(self, visit: EventVisitor) -> None:
        """Call `visit` for each event at each edge of it: where it is emitted, and where it is
        consumed by a stage whose committed offset is beyond it."""
        async for events in self.events(self._topics):
            for record, owner, run, event_id in events:
                event_type, name = owner.event_type, run.decode(errors="replace")
                hash_ = xxh3_64_intdigest(event_id)
                text = event_id.decode(errors="backslashreplace")
                if owner.stage is not None:
                    visit(name, AuditEdge(event_type, None), hash_, text, record)
                for stage in owner.version.subscribers(event_type):
                    if self.has_consumed(stage, record):
                        visit(name, AuditEdge(event_type, stage), hash_, text, record)
