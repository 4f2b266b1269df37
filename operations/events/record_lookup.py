"""Which record is at an offset, if it is still there?"""

from __future__ import annotations

from contextlib import aclosing

from aiokafka import TopicPartition

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.record import Record


async def read_record_at(
    settings: Settings, partition: TopicPartition, offset: int
) -> Record | None:
    """Return the committed record at an offset; None if there is none: retention has deleted it, it
    is a transaction's marker, or the topic ends before it. Raises BrokerError."""
    start = {partition: offset}
    async with aclosing(scan(settings, [partition.topic], start=start)) as batches:  # type: ignore[type-var]  # it is one
        async for records in batches:
            first: Record = records[0]
            return first if first.offset == offset else None
    return None
