"""How many dead letters of each stage are not settled?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events import settlement_record
from farandole.events.number_format import grouped
from farandole.events.record import Record
from farandole.events.row_format import NewerFormatError

MAX_COUNTED_LETTERS = 10_000  # letters of a stage that are read; more need no exact count
_CONCURRENT_TOPICS = 4  # topics that are read at the same time


@dataclass(frozen=True, slots=True)
class OpenLetterCount:
    """How many dead letters of a stage are open."""

    count: int = 0
    more: bool = False
    """True if not all records were read: there may be more open letters, and some of those that
    were counted may be settled."""

    def __str__(self) -> str:
        return f"{grouped(self.count)}{'+' if self.more else ''}"


async def count_open_letters(
    admin: ClusterAdmin, settings: Settings, pipeline: str, stages: Iterable[str]
) -> dict[str, OpenLetterCount]:
    """Return by stage how many of the first MAX_COUNTED_LETTERS letters are open. They are read and
    counted, because offsets also count transaction markers. Raises BrokerError."""
    topics = {stage: settings.names.dead_topic(pipeline, stage) for stage in stages}
    existing = await admin.topics(topics.values())
    partitions = {
        stage: TopicPartition(topic, 0) for stage, topic in topics.items() if topic in existing
    }
    first = await admin.start_offsets(list(partitions.values()))
    ends = await admin.end_offsets(list(partitions.values()))
    read = [stage for stage, tp in partitions.items() if ends[tp] > first[tp]]
    slots = asyncio.Semaphore(_CONCURRENT_TOPICS)

    async def count(stage: str) -> OpenLetterCount:
        async with slots:
            return await _count_topic(settings, topics[stage])

    found = await asyncio.gather(*map(count, read))
    return {stage: OpenLetterCount() for stage in topics} | dict(zip(read, found, strict=True))


async def _count_topic(settings: Settings, topic: str) -> OpenLetterCount:
    letters: set[int] = set()
    read = 0
    async with aclosing(scan(settings, [topic])) as batches:
        async for records in batches:
            for record in records:
                if settlement_record.is_settlement(record.headers):
                    letters -= set(_settled_letters(record))
                    continue
                read += 1
                if read > MAX_COUNTED_LETTERS:
                    return OpenLetterCount(len(letters), more=True)
                if settlement_record.own_settlement(record.offset, record.headers) is None:
                    letters.add(record.offset)
    return OpenLetterCount(len(letters))


def _settled_letters(record: Record) -> Sequence[int]:
    """Return the offsets of the letters that a settlement settles; none if this release cannot read
    it: then its letters are counted as open."""
    try:
        settled = settlement_record.parse_settlement(record.value, record.headers)
    except NewerFormatError:
        return ()
    return settled.settles if settled else ()
