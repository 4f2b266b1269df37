"""Do the books agree with the events in the topics?"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka import TopicPartition
from pydantic import Field
from xxhash import xxh3_64_intdigest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.ownership import VersionIndex
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.event_position import living_name
from farandole.events.ledger_entry import without_deleted
from farandole.events.record import Record
from farandole.events.record_time import known_time_ms, past_time_ms
from farandole.ledger import entry_validation
from farandole.ledger.audit_comparison import (
    AuditCell,
    AuditEdge,
    EdgeSums,
    RetentionLoss,
    add_entry_sums,
    differing_cells,
    explain_difference,
    remove_run_weight,
    run_group,
)
from farandole.operations.audit.run_row_audit import RunRowAudit
from farandole.operations.errors import NotFoundError, query
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.operations.results import Result

_MAX_EXAMINED_EDGES = 100  # differing edges of which the missing ids are looked for
_MAX_KEPT_IDS = 1_000_000  # ids that are kept in memory for it

RunGroup = Callable[[str], Hashable | None]
"""The group in which a run is counted; None if it is not counted."""
EventVisitor = Callable[[str, AuditEdge, int, str, Record], None]
"""Called with an event at an edge: run, edge, hash of the id, id and record."""


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """The runs to compare."""

    run: str | None = None
    """None: all runs of the pipeline."""


class AuditFault(Result):
    """An edge of a run, or of a group of runs, for which books and topics differ. The last two keys
    are absent if it is not known which events are missing."""

    run: str
    edge: str
    topics: int
    """Events in the topics."""
    books: int
    """Events that the books tell of."""
    missing_in_books: list[str] = Field(default_factory=list)
    """Ids that are missing there, or twice in the topics."""
    missing_in_topics: list[str] = Field(default_factory=list)


class AuditedRow(Result):
    """A run whose row differs from the fold of its ledger entries."""

    run: str
    why: str
    reason: Reason


class AuditResult(Result):
    """The result of an audit."""

    events: int
    """Emitted events that were compared."""
    faults: list[AuditFault]
    rows: list[AuditedRow]
    unverifiable: list[str]
    """Differences whose cause cannot be found, because retention has deleted the records."""
    at_work: int
    """Runs that changed while they were read; they are not judged."""
    ahead: int
    """Runs with entries that are not in their rows yet."""
    verdict: Literal["agree", "differ", "unverifiable"]

    def to_data(self) -> dict[str, Any]:
        """Return plain data; keys that were not set are absent."""
        return self.model_dump(mode="python", exclude_unset=True)


ReportProgress = Callable[[str, int, int], None]
"""Called with what is read, how many offsets of it were read, and how many there are."""


@query
async def audit_topics(
    installation: Installation,
    request: AuditRequest,
    progress: ReportProgress = lambda _, __, ___: None,
) -> AuditResult:
    """Compare the ledger entries with the events in the topics, and the rows of runs with the fold
    of their entries. All topics are read again, at read_committed.

    Raises NotFoundError `unknown_run` if neither books nor topics know the run.
    """
    settings, run = installation.settings, request.run
    versions = await installation.versions()
    began = _now() - 1000 * settings.transaction_timeout
    async with ClusterAdmin.open(settings) as admin:
        reader = _AuditReader(settings, admin, versions, began, progress)
        await reader.prepare()

        def only_run(name: str) -> Hashable | None:
            return name if name == run else None

        topics, books = await reader.sums(run_group if run is None else only_run)
        events = topics.emitted_count()
        cells = differing_cells(topics, books)
        if run is None and cells:
            groups = {group for group, _ in cells}
            topics, books = await reader.sums(lambda n: n if run_group(n) in groups else None)
            cells = differing_cells(topics, books)
        if run is not None and not [*topics, *books]:
            raise NotFoundError(
                "unknown_run", f"neither the books nor the topics know a run {run!r}", run=run
            )
        at_work = {name for name, _ in cells if name in reader.at_work}
        cells = [cell for cell in cells if cell[0] not in reader.at_work]
        ids = await reader.ids(cells[:_MAX_EXAMINED_EDGES]) if cells else {}
    rows = RunRowAudit(settings, versions[min(versions)], reader.retention.books)
    await rows.compare(run)
    faults: list[AuditFault] = []
    unverifiable: list[str] = []
    for cell in cells:
        name, edge = cell
        reason = reader.retention.reason_for(edge, topics[cell], books[cell])
        if reason is not None:
            unverifiable.append(f"{name}: {edge}: {reason.text()}")
        else:
            faults.append(_fault(cell, topics, books, ids.get(cell)))
    unverifiable += rows.unverifiable
    differ = faults or rows.faults
    return AuditResult(
        events=events,
        faults=faults,
        rows=[
            AuditedRow(run=fault.run, why=reason_text(fault.reason), reason=fault.reason)
            for fault in rows.faults
        ],
        unverifiable=unverifiable,
        at_work=len(at_work),
        ahead=rows.ahead,
        verdict="differ" if differ else "unverifiable" if unverifiable else "agree",
    )


def _fault(
    cell: AuditCell, topics: EdgeSums, books: EdgeSums, ids: dict[int, str] | None
) -> AuditFault:
    """`ids`: what `_AuditReader.ids` returns for the cell; None if it was not examined."""
    name, edge = cell
    ours, theirs = topics[cell], books[cell]
    fields: dict[str, Any] = {
        "run": str(name), "edge": str(edge), "topics": ours.n, "books": theirs.n
    }  # fmt: skip
    if ids is not None:
        difference = remove_run_weight(ours.hash - theirs.hash, str(name))
        found = explain_difference(ours.n - theirs.n, difference, ids)
        if found is not None:
            fields |= {"missing_in_books": found[0], "missing_in_topics": found[1]}
    return AuditFault(**fields)


def _now() -> int:
    return int(time.time() * 1000)


class _AuditReader:
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
        self._versions = versions
        self._began = began
        self._progress = progress
        self._index = VersionIndex(versions.values())
        self._pipeline = versions[max(versions)].pipeline
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
        existing = await self._admin.topics(self._topics)
        names = self._settings.names
        tps = [TopicPartition(t, i) for t in self._topics for i in range(existing.get(t, 0))]
        for stage in {s for v in self._versions.values() for s in v.stages}:
            done = await self._admin.committed_offsets(
                names.stage_group(self._pipeline, stage), tps
            )
            for tp, at in done.items():
                self._consumed[stage, tp.topic, tp.partition] = at.offset if at else 0
        types = {e.topic: t for v in self._versions.values() for t, e in v.events.items()}
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
            found[tp] = _now()
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
        async for records in self._read("ledger", [self._settings.names.ledger_topic]):
            for record in records:
                entry = entry_validation.parse_entry(record.value)
                if entry is None or entry["pipeline"] != self._pipeline:
                    continue
                entry = without_deleted(entry, self._pipeline, self._oldest)
                add_entry_sums(books, entry)
                if entry["at"] >= self._began and len(self.at_work) < _MAX_KEPT_IDS:
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
            if run not in runs or kept >= _MAX_KEPT_IDS:
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

    async def _read(self, what: str, topics: Sequence[str]) -> AsyncGenerator[list[Record]]:
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
        async for records in self._read("events", self._topics):
            for record in records:
                owner = self._index.owner_of(record)
                assert owner is not None  # only topics of published versions are read
                if not owner.version.ledger or self._index.is_forwarded(record, owner):
                    continue  # a forwarded event is in its own partition too
                run, event_type = self._index.run_of(record, owner), owner.event_type
                name = run.decode(errors="replace")
                event_id = run
                if owner.stage is not None:
                    event_id = dict(record.headers).get("ce_id") or b""
                hash_ = xxh3_64_intdigest(event_id)
                text = event_id.decode(errors="backslashreplace")
                if owner.stage is not None:
                    visit(name, AuditEdge(event_type, None), hash_, text, record)
                for stage in owner.version.subscribers(event_type):
                    past = self._consumed.get((stage, record.topic, record.partition), 0)
                    if record.offset < past:
                        visit(name, AuditEdge(event_type, stage), hash_, text, record)
