"""How does a reader get past a record that aiokafka cannot decode?

aiokafka raises UnicodeDecodeError for a record that has a header whose name is not UTF-8, and we
raise OversizedBatchError for a batch that would fill the memory. Then whatever was decoded in the
same poll is lost, of other partitions too. The reader goes back to its last position, reads one
record at a time until it reaches that record or batch, and seeks past it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from farandole.broker.aiokafka_internals import undecodable_offset
from farandole.broker.fetched_batches import OversizedBatchError
from farandole.events.record import NOT_UTF8, Record, UndecodableRecord

log = structlog.get_logger()

_MAX_RECORDS = 5_000  # of one oversized batch that are returned at once

Batches = Mapping[TopicPartition, Sequence[Record]]
Poll = Callable[[Sequence[TopicPartition], int | None], Awaitable[Batches]]
"""Polls some partitions for at most this number of records; None for any number."""


class UndecodableSkipper:
    """Reads with one consumer. `rewind` seeks to where the caller has read, in all partitions."""

    def __init__(self, consumer: AIOKafkaConsumer, rewind: Callable[[], None]) -> None:
        self._consumer = consumer
        self._rewind = rewind
        self._single = False
        self._turn = 0

    async def poll(self, partitions: Sequence[TopicPartition], poll: Poll) -> Batches:
        """Return the next records by partition: whole batches, unless one of them cannot be
        decoded. Then nothing is returned after the rewind, then single records of the partitions in
        turn, and at last an UndecodableRecord, or one for each offset of a batch. Raises what
        `poll` raises."""
        if not self._single:
            try:
                return await poll(partitions, None)
            except (UnicodeDecodeError, OversizedBatchError):
                self._rewind()
                self._single = True
                return {}
        self._turn += 1
        partition = partitions[self._turn % len(partitions)]
        try:
            return await poll([partition], 1)
        except (UnicodeDecodeError, OversizedBatchError) as error:
            self._single = False
            first = undecodable_offset(self._consumer, partition)
            why, end = NOT_UTF8, first + 1
            if isinstance(error, OversizedBatchError):
                first = max(first, error.first)
                why, end = str(error), min(error.end, first + _MAX_RECORDS)
                log.warning("batch.oversized", topic=partition.topic, why=why,
                            partition=partition.partition)  # fmt: skip
            self._consumer.seek(partition, end)
            topic, number = partition
            return {partition: [UndecodableRecord(topic, number, offset, why=why)
                                for offset in range(first, end)]}  # fmt: skip
