"""How many dead letters does each stage have that nobody has settled?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass

from aiokafka import TopicPartition

from farandole.broker.admin import Admin
from farandole.broker.settings import Settings
from farandole.broker.tables import scan
from farandole.events import settlement

MOST = 10_000  # that are read: beyond that a person needs no figure
_AT_ONCE = 4  # topics that are read at the same time


@dataclass(frozen=True, slots=True)
class Dead:
    """So many dead letters are open; `more`: there are others behind those that were read, and
    perhaps word that some of these are settled."""

    count: int = 0
    more: bool = False

    def __str__(self) -> str:
        return f"{self.count:,}{'+' if self.more else ''}"


async def counted(
    admin: Admin, settings: Settings, pipeline: str, stages: Iterable[str]
) -> dict[str, Dead]:
    """By stage, how many are open, of the first `MOST` that are committed. Counted, since
    transactions take offsets too. Raises BrokerError."""
    existing = await admin.topics()
    topics = {stage: settings.names.dead(pipeline, stage) for stage in stages}
    partitions = {
        stage: TopicPartition(topic, 0) for stage, topic in topics.items() if topic in existing
    }
    first = await admin.start_offsets(list(partitions.values()))
    ends = await admin.end_offsets(list(partitions.values()))
    read = [stage for stage, tp in partitions.items() if ends[tp] > first[tp]]
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(stage: str) -> Dead:
        async with turn:
            return await _count(settings, topics[stage])

    found = await asyncio.gather(*map(one, read))
    return {stage: Dead() for stage in topics} | dict(zip(read, found, strict=True))


async def _count(settings: Settings, topic: str) -> Dead:
    letters: set[int] = set()
    read = 0
    async with aclosing(scan(settings, [topic])) as batches:  # type: ignore[type-var]  # it is one
        async for records in batches:
            for record in records:
                if settlement.is_one(record.headers):
                    settled = settlement.read(record.value, record.headers)
                    letters -= set(settled.settles if settled else ())
                    continue
                read += 1
                if read > MOST:
                    return Dead(len(letters), more=True)
                letters.add(record.offset)
    return Dead(len(letters))
