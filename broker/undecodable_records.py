"""How does a reader get past a record that aiokafka cannot decode?

aiokafka raises UnicodeDecodeError for a record that has a header whose name is not UTF-8, and
throws away whatever it has decoded in the same poll, of other partitions too. The reader goes back
to its last position, reads one record at a time until it reaches that record, and seeks past it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from farandole.broker.aiokafka_internals import undecodable_offset
from farandole.events.record import Record, UndecodableRecord

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
        turn, and at last an UndecodableRecord. Raises what `poll` raises."""
        if not self._single:
            try:
                return await poll(partitions, None)
            except UnicodeDecodeError:
                self._rewind()
                self._single = True
                return {}
        self._turn += 1
        partition = partitions[self._turn % len(partitions)]
        try:
            return await poll([partition], 1)
        except UnicodeDecodeError:
            self._single = False
            offset = undecodable_offset(self._consumer, partition)
            self._consumer.seek(partition, offset + 1)
            return {partition: [UndecodableRecord(partition.topic, partition.partition, offset)]}
