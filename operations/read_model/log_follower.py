"""How is everything followed that an installation writes about itself?

One reader has all partitions; it is a member of no group. Topics are looked for again and
again: one that does not exist yet is normal, and one that was deleted is forgotten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import structlog
from aiokafka import TopicPartition

from farandole.broker.backoff import Backoff, is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.end_reader import EndReader
from farandole.broker.partition_reader import PositionsLostError
from farandole.broker.settings import Settings
from farandole.broker.split_reader import SplitReader
from farandole.operations.read_model.entry_rates import WINDOW_SECONDS, WINDOWS
from farandole.operations.read_model.folded_tables import FoldedTables
from farandole.operations.read_model.freshness import Freshness
from farandole.operations.read_model.open_letters import MAX_LETTERS
from farandole.operations.read_model.run_loader import RunLoader
from farandole.operations.read_model.sources import (
    Source,
    Table,
    dead_topics,
    find_sources,
    system_tables,
)
from farandole.operations.results import Result

log = structlog.get_logger()

_DISCOVERY_INTERVAL = 5.0  # seconds
_RETENTION_INTERVAL = 60.0  # between two looks which dead letters retention has deleted
_PULSE_INTERVAL = 1.0
_PULSE_DEADLINE = 3.0
_POLL_WAIT = 0.5
_PAUSE = 0.1  # after records, so that a busy ledger is read in large batches
_RECORDS_AT_ONCE = 500  # that are folded before others may go on
_RETRY = Backoff(first=0.5, longest=5.0)
_MAX_ENTRIES = 50_000  # of each partition of the ledger that are read at the start
_MAX_ALERTS = 50_000


class Loading(Result):
    """How far the rows of runs are loaded."""

    loaded: int
    """Offsets."""
    total: int
    complete_since: int | None
    """Of runs that were opened later everything is known; milliseconds of the epoch. None if
    nothing is known yet."""


class _Start(NamedTuple):
    source: Source
    first: int
    """The first offset that is kept."""
    begin: int
    """The offset at which following begins."""


class LogFollower:
    """Keeps the tables up to date until it is cancelled."""

    def __init__(
        self,
        settings: Settings,
        tables: FoldedTables,
        freshness: Freshness,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called after tables, progress or freshness have changed."""
        self._settings = settings
        self._tables = tables
        self._freshness = freshness
        self._changed = changed
        self._sources: dict[TopicPartition, Source] = {}
        self._positions: Mapping[TopicPartition, int] = {}
        self._starts: list[_Start] = []
        self._gone: list[TopicPartition] = []
        self._look_again = asyncio.Event()
        self._loader: RunLoader | None = None
        self._loading: asyncio.Task[None] | None = None
        self._retention_due = 0.0
        self._has_looked = self._has_begun = False
        self._times_anew = 0

    def loading(self) -> Loading | None:
        """Return how far the runs are loaded; None if all are."""
        if self._loader is None:
            return None if self._has_begun else Loading(loaded=0, total=0, complete_since=None)
        loaded, total = self._loader.progress
        return Loading(loaded=loaded, total=total, complete_since=self._loader.written_since)

    async def run(self) -> None:
        """Follow until cancelled, whatever Kafka does."""
        failures = 0
        while True:
            try:
                async with (
                    ClusterAdmin.open(self._settings) as admin,
                    EndReader.open(self._settings) as ends,
                    SplitReader.open(self._settings, self._is_quiet) as reader,
                ):
                    reader.read_from(self._positions)
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._discover_always(admin))
                        tasks.create_task(self._measure_always(ends))
                        tasks.create_task(self._read_always(reader))
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("read_model.unopened", why=str(error))
                self._changed()
            except ExceptionGroup:
                failures += 1
                log.exception("read_model.broken")
            finally:
                self._interrupt_loading()
            await asyncio.sleep(_RETRY.delay(failures))

    def _is_quiet(self, partition: TopicPartition) -> bool:
        """Return True for dead letters: each stage has a topic of them, and few ever come."""
        source = self._sources.get(partition)
        return source is not None and source.table is Table.LETTERS

    async def _read_always(self, reader: SplitReader) -> None:
        failures = 0
        while True:
            self._take_over(reader)
            try:
                batches = await reader.poll(_POLL_WAIT)
            except PositionsLostError as error:
                log.warning("read_model.overtaken", why=str(error))
                self._leave(reader, error.partitions)
                continue
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("read_model.unread", why=str(error))
                await asyncio.sleep(_RETRY.delay(failures))
                continue
            failures = 0
            count = 0
            for partition, records in batches.items():
                source = self._sources[partition]
                for record in records:
                    self._tables.apply(source, record)
                    count += 1
                    if count % _RECORDS_AT_ONCE == 0:
                        await asyncio.sleep(0)
                if records and source.table is Table.TOPOLOGY:
                    self._look_again.set()  # a new version has new dead-letter topics
            self._positions = reader.positions
            if self._has_begun:
                self._freshness.reach(reader.positions)
            if count:
                self._changed()
                if count < _RECORDS_AT_ONCE:
                    await asyncio.sleep(_PAUSE)

    def _take_over(self, reader: SplitReader) -> None:
        """Begin to follow what was found, and leave what is gone."""
        starts, self._starts = self._starts, []
        gone, self._gone = self._gone, []
        self._has_begun |= self._has_looked
        if not starts and not gone:
            return
        positions = dict(reader.positions)
        for partition in gone:
            if partition in self._sources:
                self._forget(partition)
            positions.pop(partition, None)
        runs = {}
        for source, first, begin in starts:
            partition = TopicPartition(source.topic, source.partition)
            if partition in self._sources:
                self._forget(partition)
            self._sources[partition] = source
            is_cut = begin > first and source.table is not Table.RUNS
            self._tables.add_source(source, begins=begin, is_cut=is_cut)
            positions[partition] = begin
            if source.table is Table.RUNS:
                runs[partition] = first, begin
        reader.read_from(positions)
        self._positions = reader.positions
        if runs:
            self._load(runs)
        self._changed()

    def _leave(self, reader: SplitReader, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions; those that are still there are found, and read anew."""
        left = {*partitions}
        topics = {topic for topic, _ in left if topic == self._settings.names.runs_topic}
        left |= {partition for partition in self._sources if partition.topic in topics}
        self._read_anew(partition for partition in left if partition in self._sources)
        self._take_over(reader)

    def _read_anew(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions, which are looked for and read from their beginning. Until they are
        found nothing counts as known."""
        self._gone += partitions
        self._has_looked = self._has_begun = False
        self._times_anew += 1
        self._look_again.set()

    def _forget(self, partition: TopicPartition) -> None:
        source = self._sources.pop(partition)
        self._tables.drop_source(source)
        if source.table is Table.RUNS:
            self._stop_loading()

    # Runs

    def _load(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> None:
        sources = {partition: self._sources[partition] for partition in ranges}

        def settled(run: str) -> bool:
            return self._tables.runs.is_settled(run)

        self._loader = RunLoader(
            self._settings, ranges, settled, lambda tp, r: self._tables.load_run(sources[tp], r)
        )
        self._loading = asyncio.create_task(self._load_always(self._loader, sources))

    async def _load_always(
        self, loader: RunLoader, sources: Mapping[TopicPartition, Source]
    ) -> None:
        left = dict(sources)
        failures = 0

        def done(partition: TopicPartition) -> None:
            source = left.pop(partition, None)
            if source is not None:
                self._tables.finish_loading(source)

        while left:
            try:
                await loader.run(done, self._changed)
            except Exception as error:
                failures += 1
                if not isinstance(error, BrokerError):
                    log.exception("read_model.unloaded")
                elif is_logged(failures):
                    log.warning("read_model.unloaded", why=str(error))
                await asyncio.sleep(_RETRY.delay(failures))
        self._loader = self._loading = None
        self._changed()

    def _interrupt_loading(self) -> None:
        """Stop loading runs. If some are missing all of them are read anew: nothing says which rows
        were read."""
        if self._loader is not None:
            self._stop_loading()
            self._read_anew(tp for tp, each in self._sources.items() if each.table is Table.RUNS)

    def _stop_loading(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
        self._loader = self._loading = None

    # Topics

    async def _discover_always(self, admin: ClusterAdmin) -> None:
        failures = 0
        while True:
            self._look_again.clear()
            try:
                await self._discover(admin)
                failures = 0
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("read_model.unseen", why=str(error))
            try:
                async with asyncio.timeout(_DISCOVERY_INTERVAL):
                    await self._look_again.wait()
            except TimeoutError:
                pass

    async def _discover(self, admin: ClusterAdmin) -> None:
        if self._starts or self._gone:
            return  # what was found is not taken over yet
        times_anew = self._times_anew
        names, versions = self._settings.names, self._tables.topology.versions
        found = await admin.find_topics([*system_tables(names), *dead_topics(names, versions)])
        partitions = {topic: each.partitions for topic, each in found.items()}
        ids = {topic: each.id for topic, each in found.items()}
        sources = {
            TopicPartition(each.topic, each.partition): each
            for each in find_sources(names, versions, partitions, ids)
        }
        new = [each for tp, each in sources.items() if self._sources.get(tp) != each]
        starts = await self._find_starts(admin, new)
        if times_anew != self._times_anew:
            return  # some of what was known then is forgotten
        self._gone = [partition for partition in self._sources if partition not in sources]
        self._starts = starts
        if not self._has_looked:
            self._has_looked = True
            self._changed()
        if time.monotonic() >= self._retention_due:
            await self._drop_deleted_letters(admin)
            self._retention_due = time.monotonic() + _RETENTION_INTERVAL

    async def _drop_deleted_letters(self, admin: ClusterAdmin) -> None:
        """Forget the dead letters that retention has deleted: nothing in a topic tells of it."""
        followed = {tp: each for tp, each in self._sources.items() if each.table is Table.LETTERS}
        if not followed:
            return
        firsts = await admin.start_offsets(followed)
        for partition, source in followed.items():
            if self._sources.get(partition) == source:
                self._tables.drop_letters_before(source, firsts[partition])
        self._changed()

    async def _find_starts(self, admin: ClusterAdmin, sources: Iterable[Source]) -> list[_Start]:
        by_partition = {TopicPartition(each.topic, each.partition): each for each in sources}
        if not by_partition:
            return []
        firsts = await admin.start_offsets(by_partition)
        ends = await admin.end_offsets(by_partition, stable=True)
        entries = [tp for tp, each in by_partition.items() if each.table is Table.ENTRIES]
        past = int((time.time() - WINDOWS * WINDOW_SECONDS) * 1000)
        recent = await admin.offsets_at(entries, past)
        starts = []
        for partition, source in by_partition.items():
            first, end = firsts[partition], ends[partition]
            begin = first
            match source.table:
                case Table.RUNS:
                    begin = end
                case Table.ENTRIES:
                    begin = min(max(recent[partition], end - _MAX_ENTRIES, first), end)
                case Table.ALERTS:
                    begin = max(first, end - _MAX_ALERTS)
                case Table.LETTERS:
                    begin = max(first, end - MAX_LETTERS)
            starts.append(_Start(source, first, begin))
        return starts

    # Freshness

    async def _measure_always(self, ends: EndReader) -> None:
        failures = 0
        while True:
            asked, wall = self._freshness.now()
            try:
                if self._sources:
                    found = await ends.ends(self._sources, _PULSE_DEADLINE)
                    if self._freshness.was_away(wall):
                        self._read_all_anew()
                    self._freshness.answer(asked, wall, found)
                elif self._has_begun:
                    self._freshness.answer(asked, wall, {})
                    self._freshness.reach({})
                failures = 0
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("read_model.unanswered", why=str(error))
                self._look_again.set()
            self._changed()
            await asyncio.sleep(_PULSE_INTERVAL)

    def _read_all_anew(self) -> None:
        log.warning("read_model.away", remedy="everything is read anew; nothing need be done")
        self._freshness.begin_anew()
        self._read_anew(self._sources)
