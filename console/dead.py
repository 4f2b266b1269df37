"""How many dead letters does each stage have?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass

from aiokafka import TopicPartition

from broker.admin import Admin
from broker.settings import Settings
from broker.tables import scan

MOST = 10_000  # that are counted: beyond that a person needs no figure
_AT_ONCE = 4  # topics that are read at the same time


@dataclass(frozen=True, slots=True)
class Dead:
    """So many dead letters are kept; `more`: at least."""

    count: int = 0
    more: bool = False

    def __str__(self) -> str:
        return f"{self.count:,}{'+' if self.more else ''}"


async def counted(
    admin: Admin, settings: Settings, pipeline: str, stages: Iterable[str]
) -> dict[str, Dead]:
    """By stage, how many are committed, read up to `MOST` a stage: transactions take offsets too.
    Raises BrokerError."""
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
    count = 0
    async with aclosing(scan(settings, [topic])) as batches:  # type: ignore[type-var]  # it is one
        async for records in batches:
            count += len(records)
            if count > MOST:
                return Dead(MOST, more=True)
    return Dead(count)
