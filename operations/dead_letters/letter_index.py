"""Which dead letters does an installation have, without reading all of them for each question?

A `LetterIndex` keeps a short entry for each letter. `refresh` reads on where it stopped the last
time, so that a console with many readers reads each letter once.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.events.record import Record
from farandole.events.record_time import to_milliseconds
from farandole.events.row_format import NewerFormatError
from farandole.events.safe_text import single_line
from farandole.events.settlement_record import (
    Settlement,
    is_settlement,
    own_settlement,
    parse_settlement,
)
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.notifier.pipeline_directory import PipelineDirectory
from farandole.operations.dead_letters.letter_labels import letter_labels
from farandole.operations.dead_letters.letter_selection import LetterSelection, account_field

MAX_INDEXED_LETTERS = 100_000
"""The newest letters of a stage that are kept in the index. Older ones are read only by commands
that name them."""
REFRESH_SECONDS = 1.0
"""An index that was read so short ago is not read again."""


class StageKey(NamedTuple):
    """A stage of a pipeline."""

    pipeline: str
    stage: str


@dataclass(slots=True)
class LetterEntry:
    """What the index knows about one letter. No personal data are in it."""

    pipeline: str
    stage: str
    offset: int
    at: int
    """Milliseconds of the epoch."""
    error: str
    title: str
    fingerprint: str
    run: str
    event: str
    """The position of the event that died, `line.ingested/3/24118`; empty if it is not known."""
    labels: tuple[tuple[str, str], ...]
    """Fields that name what the event is about, with their values."""
    settlement: Settlement | None = None

    @property
    def name(self) -> str:
        """The letter's name, as commands take it: `validate/17`."""
        return f"{self.stage}/{self.offset}"

    @property
    def place(self) -> tuple[int, str, str, int]:
        """Orders letters by their age; no two are equal."""
        return self.at, self.pipeline, self.stage, self.offset


@dataclass(slots=True)
class _StageLetters:
    position: int = 0
    """Everything before this offset is read."""
    offsets: list[int] = field(default_factory=list)
    entries: list[LetterEntry] = field(default_factory=list)
    left_out: int = 0
    """Letters that are too many to be kept here."""
    left_out_until: int = 0
    """Their offsets are smaller."""

    def add(self, entry: LetterEntry) -> None:
        self.offsets.append(entry.offset)
        self.entries.append(entry)
        if len(self.entries) >= MAX_INDEXED_LETTERS + MAX_INDEXED_LETTERS // 10:
            surplus = len(self.entries) - MAX_INDEXED_LETTERS
            self._forget(surplus)
            self.left_out_until = self.offsets[0]
            self.left_out += surplus

    def settle(self, settlement: Settlement, before: int) -> None:
        """Note that letters are settled; the first settlement counts, and only of earlier
        letters."""
        for offset in settlement.settles:
            at = bisect_left(self.offsets, offset)
            if offset < before and at < len(self.offsets) and self.offsets[at] == offset:
                entry = self.entries[at]
                entry.settlement = entry.settlement or settlement

    def expire(self, first: int) -> None:
        """Forget the letters that retention has deleted."""
        self._forget(bisect_left(self.offsets, first))
        if first >= self.left_out_until:
            self.left_out = 0

    def _forget(self, count: int) -> None:
        if count:
            del self.offsets[:count], self.entries[:count]


class LetterIndex:
    """The dead letters of all pipelines of an installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = PipelineDirectory(settings.names)
        self._stages: dict[StageKey, _StageLetters] = {}
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self.revision = 0
        """Grows whenever the letters or their settlements have changed."""

    @property
    def stages(self) -> list[StageKey]:
        """The stages that have a dead-letter topic."""
        return sorted(self._stages)

    def left_out(self, pipeline: str | None = None) -> int:
        """Return how many old letters are not in the index, because there are too many."""
        found = (s for k, s in self._stages.items() if pipeline in (None, k.pipeline))
        return sum(each.left_out for each in found)

    def entries(
        self, selection: LetterSelection, pipeline: str | None = None
    ) -> Iterator[LetterEntry]:
        """Yield the selected letters, the oldest of each stage first."""
        for key, letters in self._stages.items():
            if pipeline in (None, key.pipeline) and selection.may_include_stage(key.stage):
                yield from (e for e in letters.entries if _is_selected(e, selection))

    async def refresh(self, *, at_once: bool = False) -> None:
        """Read what is new. Unless `at_once`, nothing is read if that was done a moment ago. Raises
        BrokerError."""
        async with self._reading:
            if at_once or time.monotonic() - self._read_at >= REFRESH_SECONDS:
                await self._read_on()
                self._read_at = time.monotonic()

    async def _read_on(self) -> None:
        settings = self._settings
        async with ClusterAdmin.open(settings) as admin:
            rows = await read_table(settings, settings.names.topology_topic, admin=admin)
            self._directory.update(rows)
            topics = self._directory.dead_topics()
            existing = await admin.topics(topics)
            partitions = {
                TopicPartition(topic, 0): _stage_of(settings, topic)
                for topic in topics
                if topic in existing
            }
            firsts = await admin.start_offsets([*partitions])
            ends = await admin.end_offsets([*partitions])
            start = self._positions(partitions, firsts, ends)
            async with aclosing(
                scan(settings, sorted(p.topic for p in start), start=start,
                     until={p: ends[p] for p in start}, admin=admin)
            ) as batches:  # fmt: skip
                async for records in batches:
                    self._add(partitions[TopicPartition(records[0].topic, 0)], records)
        for partition in start:
            self._stages[partitions[partition]].position = ends[partition]

    def _positions(
        self,
        partitions: Mapping[TopicPartition, StageKey],
        firsts: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        """Return where to read on, of the topics that have grown; forget what has expired."""
        for gone in self._stages.keys() - set(partitions.values()):
            del self._stages[gone]
            self.revision += 1
        start: dict[TopicPartition, int] = {}
        for partition, key in partitions.items():
            letters = self._stages.setdefault(key, _StageLetters())
            if ends[partition] < letters.position:  # somebody has created the topic again
                letters = self._stages[key] = _StageLetters()
                self.revision += 1
            letters.expire(firsts[partition])
            if letters.position < ends[partition]:
                start[partition] = letters.position
        return start

    def _add(self, key: StageKey, records: list[Record]) -> None:
        letters = self._stages[key]
        now = datetime.now(UTC)
        self.revision += 1
        for record in records:
            if record.offset < letters.position:
                continue  # read before an error
            letters.position = record.offset + 1
            if is_settlement(record.headers):
                try:
                    settlement = parse_settlement(record.value, record.headers)
                except NewerFormatError:
                    continue  # its letters are shown as open; nobody here can settle them
                if settlement is not None:
                    letters.settle(settlement, record.offset)
                continue
            fields_of = self._directory.personal_fields
            letters.add(_entry(DeadLetterView.from_record(record, *key, fields_of, now)))
            own = own_settlement(record.offset, record.headers)
            if own is not None:
                letters.settle(own, record.offset + 1)


def _entry(letter: DeadLetterView) -> LetterEntry:
    record = letter.record
    event_type = next((v or b"" for n, v in record.headers if n == "ce_type"), b"").decode(
        errors="replace"
    )
    topic = account_field(record, "topic")
    name = event_type or topic
    place = (account_field(record, "partition"), account_field(record, "offset"))
    return LetterEntry(
        pipeline=letter.pipeline,
        stage=letter.stage,
        offset=record.offset,
        at=to_milliseconds(letter.time),
        error=single_line(letter.error),
        title=single_line(letter.title),
        fingerprint=letter.fingerprint,
        run=single_line(account_field(record, "run"))[:40],
        event=single_line(f"{name}/{'/'.join(place)}")[:200] if name and all(place) else "",
        labels=letter_labels(letter),
    )


def _is_selected(entry: LetterEntry, selection: LetterSelection) -> bool:
    if selection.positions:
        return entry.offset in selection.positions.get(entry.stage, ())
    return (
        selection.fingerprint in (None, entry.fingerprint)
        and selection.run in (None, entry.run)
        and (selection.since is None or entry.at >= selection.since)
        and (selection.until is None or entry.at < selection.until)
    )


def _stage_of(settings: Settings, topic: str) -> StageKey:
    origin = settings.names.parse_dead_topic(topic)
    assert origin is not None, topic
    return StageKey(*origin)
