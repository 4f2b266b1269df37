"""How are the committed records of a topic read?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import Literal

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from farandole.broker.broker_errors import AccessDeniedError, BrokerError, DeadlineExceededError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.connection_diagnosis import is_access_denied
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.missing_rights import denial_text, missing_right
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import Record

log = structlog.get_logger()

ScanStart = Literal["earliest", "latest"] | Mapping[TopicPartition, int]

_POLL_MS = 200  # how long a poll waits for records


async def read_table(
    settings: Settings,
    topic: str,
    partition: int | None = None,
    *,
    admin: ClusterAdmin | None = None,
) -> dict[bytes, bytes]:
    """Return the newest value of each key of a compacted topic, or of one partition of it, as
    committed when this is called. The result is empty if the topic does not exist. Records without
    a key are skipped. `admin`: one that is open already, which saves two connections.

    Raises DeadlineExceededError, also if an open transaction blocks the reader for too long.
    """
    start: ScanStart = "earliest" if partition is None else {TopicPartition(topic, partition): 0}
    (table,) = await _fold(scan(settings, [topic], start=start, admin=admin), topic)
    return table


async def read_tables(settings: Settings, *topics: str) -> list[dict[bytes, bytes]]:
    """Return what `read_table` returns of each topic, by one reader for all of them."""
    return await _fold(scan(settings, topics), *topics)


async def _fold(batches: AsyncGenerator[list[Record]], *topics: str) -> list[dict[bytes, bytes]]:
    tables: dict[str, dict[bytes, bytes]] = {topic: {} for topic in topics}
    async for records in batches:
        table = tables[records[0].topic]
        for record in records:
            if record.key is None:
                continue
            if record.value is None:
                table.pop(record.key, None)
            else:
                table[record.key] = record.value
    return [tables[topic] for topic in topics]


async def scan(
    settings: Settings,
    topics: Sequence[str],
    *,
    start: ScanStart = "earliest",
    until: Mapping[TopicPartition, int] | None = None,
    follow: bool = False,
    admin: ClusterAdmin | None = None,
) -> AsyncGenerator[list[Record]]:
    """Yield the committed records of `topics`, in order, in batches of one partition each.

    `start`: one end of the log, or a mapping that gives an offset for each partition to read.
    Without `follow` the scan ends when everything is read, or was aborted, that had been written at
    the time of the call or, with `until`, that is before its offsets; `until` then names every
    partition. Topics that do not exist are skipped. A record that cannot be decoded comes as
    `UndecodableRecord`. Raises DeadlineExceededError if nothing arrives for too long, and the
    errors of `open_client`. Close it (`aclosing`) if you leave the loop early.
    """
    if admin is not None:
        positions, ends = await _scan_bounds(admin, topics, start)
    else:
        async with ClusterAdmin.open(settings) as opened:
            positions, ends = await _scan_bounds(opened, topics, start)
    if until is not None:
        ends = {p: min(end, until[p]) for p, end in ends.items()}
    if not positions or (not follow and all(positions[p] >= ends[p] for p in positions)):
        return
    async with open_client(make_consumer(settings), settings) as reader:
        reader.assign(list(positions))
        for partition, offset in positions.items():
            reader.seek(partition, offset)
        async for batch in _read_batches(settings, reader, positions, None if follow else ends):
            yield batch


async def _scan_bounds(
    admin: ClusterAdmin, topics: Sequence[str], start: ScanStart
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    existing = await admin.topics(topics)
    partitions = [
        TopicPartition(topic, i) for topic in topics for i in range(existing.get(topic, 0))
    ]
    if isinstance(start, Mapping):
        partitions = [partition for partition in partitions if partition in start]
    firsts = await admin.start_offsets(partitions)
    # Not the last stable offset: Kafka acknowledges a commit before it writes the markers, and a
    # scan after the commit must see its records.
    ends = await admin.end_offsets(partitions)
    if isinstance(start, Mapping):
        return {p: min(max(start[p], firsts[p]), ends[p]) for p in partitions}, ends
    return (firsts if start == "earliest" else dict(ends)), ends


async def _read_batches(
    settings: Settings,
    reader: AIOKafkaConsumer,
    positions: dict[TopicPartition, int],
    ends: Mapping[TopicPartition, int] | None,
) -> AsyncGenerator[list[Record]]:
    left = {p for p in positions if ends is None or positions[p] < ends[p]}
    reader.pause(*(positions.keys() - left))
    now = asyncio.get_running_loop().time
    moved = now()

    def rewind() -> None:
        for partition in left:
            reader.seek(partition, positions[partition])

    skipper = UndecodableSkipper(reader, rewind)
    while left:
        batches = await skipper.poll(sorted(left), partial(_poll_batches, settings, reader))
        for partition in sorted(left):
            position = await _reader_position(settings, reader, partition)
            if position != positions[partition]:
                positions[partition] = position
                moved = now()
            records = list(batches.get(partition, ()))
            if ends is not None:
                end = ends[partition]
                if records and records[-1].offset >= end:
                    records = [record for record in records if record.offset < end]
                if position >= end:
                    left.discard(partition)
                    reader.pause(partition)
            if records:
                yield records
        if ends is not None and now() - moved > _stall_timeout(settings):
            topics = ", ".join(sorted({p.topic for p in left}))
            raise DeadlineExceededError(
                f"reading {topics}: nothing more within {_stall_timeout(settings):g} s;"
                " does somebody keep a transaction open there?"
            )


async def _poll_batches(
    settings: Settings,
    reader: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    max_records: int | None,
) -> Batches:
    try:
        found: Batches = await with_deadline(
            reader.getmany(*partitions, timeout_ms=_POLL_MS, max_records=max_records),
            settings.deadline,
            "fetching",
        )
        return found
    except OffsetOutOfRangeError as error:
        # Retention has deleted the next record: go on with the oldest that is left.
        for partition in error.args[0]:
            log.warning("scan.overtaken", topic=partition.topic, partition=partition.partition)
            await with_deadline(
                reader.seek_to_beginning(partition), settings.deadline, "seeking the beginning"
            )
        return {}
    except KafkaError as error:
        what = f"reading {', '.join(sorted({p.topic for p in partitions}))}"
        right = missing_right(error, "Read")
        text = f"{what} failed: {error}" if right is None else f"{what}: {denial_text(right)}"
        raise (
            AccessDeniedError(text) if is_access_denied(type(error)) else BrokerError(text)
        ) from None


async def _reader_position(
    settings: Settings, reader: AIOKafkaConsumer, partition: TopicPartition
) -> int:
    position: int = await with_deadline(reader.position(partition), settings.deadline, "asking")
    return position


def _stall_timeout(settings: Settings) -> float:
    """Return seconds: the open transaction of a dead writer blocks readers until it times out."""
    return settings.transaction_timeout + settings.deadline
