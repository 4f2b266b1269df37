"""How are the committed records of many partitions followed by one consumer, each from an offset of
its own?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches, UndecodableSkipper


class PositionsLostError(BrokerError):
    """The next records of some partitions are gone: retention has deleted them, or the topic."""

    def __init__(self, partitions: Collection[TopicPartition]) -> None:
        names = ", ".join(sorted(f"{topic}/{index}" for topic, index in partitions))
        super().__init__(f"the next records of {names} are gone")
        self.partitions = frozenset(partitions)


class PartitionReader:
    """Reads partitions in the order of each log; it is a member of no group."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._consumer = consumer
        self._positions: dict[TopicPartition, int] = {}
        self._skipper = UndecodableSkipper(consumer, self._rewind)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, **over: Any) -> AsyncIterator[PartitionReader]:
        """Open a reader that reads nothing yet. `over` overrides arguments of the consumer. Raises
        the errors of `open_client`."""
        async with open_client(make_consumer(settings, **over), settings) as consumer:
            yield cls(settings, consumer)

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """The next offset of each partition: everything before it was returned by `poll`."""
        return self._positions

    def read_from(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, and no others. All must exist."""
        self._positions = dict(positions)
        self._consumer.assign(list(positions))
        self._rewind()

    def leave(self, partition: TopicPartition) -> None:
        """Read this partition no further."""
        del self._positions[partition]
        self._consumer.pause(partition)

    async def poll(self, wait: float) -> Batches:
        """Return the next records, by partition; nothing if none comes within `wait` seconds. A
        record that cannot be decoded comes as UndecodableRecord. Raises PositionsLostError,
        BrokerError and DeadlineExceededError; then the next call reads the same again."""
        if not self._positions:
            await asyncio.sleep(wait)
            return {}

        async def get(partitions: Sequence[TopicPartition], most: int | None) -> Batches:
            found: Batches = await with_deadline(
                self._consumer.getmany(
                    *partitions, timeout_ms=round(wait * 1000), max_records=most
                ),
                self._settings.deadline + wait,
                "fetching",
            )
            return found

        try:
            found = await self._skipper.poll([*self._positions], get)
            for partition in self._positions:
                self._positions[partition] = await self._consumer.position(partition)
        except OffsetOutOfRangeError as error:
            self._rewind()
            raise PositionsLostError(error.args[0]) from None
        except KafkaError as error:
            self._rewind()
            raise BrokerError(f"reading failed: {error}") from None
        return found

    def _rewind(self) -> None:
        for partition, offset in self._positions.items():
            self._consumer.seek(partition, offset)
