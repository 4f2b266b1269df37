"""Which records does `farandole.firings` have of a schedule?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan


async def scan_firings(
    settings: Settings,
    admin: ClusterAdmin,
    pipeline: str,
    schedule: str,
    starts: Mapping[TopicPartition, int],
) -> AsyncGenerator[tuple[bytes, bytes | None]]:
    """Yield the key and the value of each record from these offsets on, in the order of the log; a
    value of None deletes what stood under the key. Raises BrokerError."""
    prefix = f"{pipeline}/{schedule}/".encode()
    topics = [settings.names.firings_topic]
    async with aclosing(scan(settings, topics, start=starts, admin=admin)) as batches:
        async for records in batches:
            for record in records:
                if record.key is not None and record.key.startswith(prefix):
                    yield record.key, record.value
