"""When was the first committed record in a range of offsets written?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.fetched_batches import OversizedBatchError
from farandole.broker.kafka_clients import make_consumer, open_client
from farandole.broker.settings import Settings

_POLL_MS = 200
_SECONDS = 3.0  # for all partitions together
_FETCH_BYTES = 64 * 1024


async def first_timestamps(
    settings: Settings, ranges: Mapping[TopicPartition, tuple[int, int]]
) -> dict[TopicPartition, int | None]:
    """Return the timestamp of the first committed record in each range, in milliseconds; None if
    there is none, because the range has markers and aborted records alone. A partition is missing
    if an open transaction hides what is there, or if nobody has answered within three seconds.
    Raises BrokerError."""
    if not ranges:
        return {}
    found: dict[TopicPartition, int | None] = {}
    consumer = make_consumer(settings, max_partition_fetch_bytes=_FETCH_BYTES)
    async with open_client(consumer, settings) as reader:
        reader.assign([*ranges])
        for partition, (first, _) in ranges.items():
            reader.seek(partition, first)
        try:
            async with asyncio.timeout(_SECONDS):
                while left := [each for each in ranges if each not in found]:
                    batches = await reader.getmany(*left, timeout_ms=_POLL_MS)
                    for partition in left:
                        records, end = batches.get(partition), ranges[partition][1]
                        if records:
                            is_inside = records[0].offset < end
                            found[partition] = records[0].timestamp if is_inside else None
                        elif await reader.position(partition) >= end:
                            found[partition] = None
                        else:
                            continue
                        reader.pause(partition)
        except (TimeoutError, KafkaError, OversizedBatchError, UnicodeDecodeError):
            pass  # what is unknown is left out: it is asked again
    return found
