"""Which record is at an offset?"""

from __future__ import annotations

from contextlib import aclosing

from aiokafka import TopicPartition

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.record import Record


async def record_at(settings: Settings, topic: str, partition: int, offset: int) -> Record | None:
    """Return the record at an offset of a partition that exists. None if there is none: retention
    has deleted it, it is not written yet, or it is a transaction marker or aborted. Raises
    BrokerError."""
    start = {TopicPartition(topic, partition): offset}
    async with aclosing(scan(settings, [topic], start=start)) as batches:
        async for records in batches:
            return records[0] if records[0].offset == offset else None
    return None
