"""Which records arrive in a topic, for a reader who need not see all of them?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import Record

TICK_SECONDS = 0.25
_FETCH_BYTES = 256 * 1024  # of a partition at once
_BEHIND_TICKS = 4  # so far behind the end a reader goes on before it skips


class Arrived(NamedTuple):
    """What arrived in a tick."""

    records: list[Record]
    skipped: int
    """Offsets that were passed over, because the reader was too far behind; some are markers."""


async def follow_newest(
    settings: Settings, starts: Mapping[TopicPartition, int], per_tick: int
) -> AsyncGenerator[Arrived]:
    """Yield committed records of one topic, about `per_tick` each TICK_SECONDS, from these offsets
    on. Where more arrive, or the caller is slow, it goes on near the end and says how many offsets
    it has skipped: nothing piles up. Raises BrokerError. Close it (`aclosing`)."""
    consumer = make_consumer(settings, max_partition_fetch_bytes=_FETCH_BYTES)
    async with open_client(consumer, settings) as reader:
        reader.assign([*starts])
        positions = dict(starts)
        for partition, offset in starts.items():
            reader.seek(partition, offset)

        def rewind() -> None:
            for partition, offset in positions.items():
                reader.seek(partition, offset)

        skipper = UndecodableSkipper(reader, rewind)

        async def poll(partitions: object, most: int | None) -> Batches:
            return await _poll(settings, reader, min(most or per_tick, per_tick))

        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            batches = await skipper.poll([*starts], poll)
            skipped = await _skip(settings, reader, positions, per_tick)
            records = [record for of in batches.values() for record in of]
            if records or skipped:
                yield Arrived(records, skipped)
            await asyncio.sleep(max(0.0, began + TICK_SECONDS - loop.time()))


async def _poll(settings: Settings, reader: AIOKafkaConsumer, most: int) -> Batches:
    try:
        found: Batches = await with_deadline(
            reader.getmany(timeout_ms=round(TICK_SECONDS * 1000), max_records=most),
            settings.deadline,
            "fetching",
        )
    except OffsetOutOfRangeError as error:
        await reader.seek_to_beginning(*error.args[0])
        return {}
    except KafkaError as error:
        raise BrokerError(f"reading failed: {error}") from None
    return found


async def _skip(
    settings: Settings,
    reader: AIOKafkaConsumer,
    positions: dict[TopicPartition, int],
    per_tick: int,
) -> int:
    """Note where the reader is; seek near the ends if it is too far behind. Return how many offsets
    that leaves out."""
    ends: dict[TopicPartition, int] = {}
    for partition in positions:
        positions[partition] = await with_deadline(
            reader.position(partition), settings.deadline, "asking"
        )
        ends[partition] = reader.last_stable_offset(partition) or positions[partition]
    behind = sum(max(0, ends[each] - at) for each, at in positions.items())
    if behind <= _BEHIND_TICKS * per_tick:
        return 0
    skipped = 0
    for partition, at in positions.items():
        to = max(at, ends[partition] - max(1, per_tick // len(positions)))
        if to > at:
            skipped += to - at
            positions[partition] = to
            reader.seek(partition, to)
    return skipped
