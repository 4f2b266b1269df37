"""Up to where can partitions be read?

Who reads also asks for this, but by a client that does not fetch: where a client does, an answer
waits for the fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.settings import Settings

Ends = dict[TopicPartition, int]
"""The offsets before which everything can be read."""


class EndReader:
    """Asks by a client of its own, which is opened for the first question."""

    def __init__(self, settings: Settings, isolation_level: str = "read_committed") -> None:
        self._settings = settings
        self._isolation_level = isolation_level
        self._client: AIOKafkaConsumer | None = None
        self._clients = AsyncExitStack()
        self._opening = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[EndReader]:
        """Open the client at once, and close it at the end. Raises the errors of `open_client`."""
        reader = cls(settings)
        await reader._opened()
        try:
            yield reader
        finally:
            await reader.close()

    async def ends(
        self,
        partitions: Collection[TopicPartition],
        seconds: float,
        what: str = "asking for end offsets",
    ) -> Ends:
        """Return the ends; `what` is said in errors. Raises DeadlineExceededError after `seconds`,
        the errors of `open_client`, and BrokerError."""
        return await ask_ends(await self._opened(), partitions, seconds, what)

    async def close(self) -> None:
        """Close the client; the next question opens another one."""
        async with self._opening:
            self._client = None
            await self._clients.aclose()

    async def _opened(self) -> AIOKafkaConsumer:
        async with self._opening:
            if self._client is None:
                consumer = make_consumer(self._settings, isolation_level=self._isolation_level)
                opening = open_client(consumer, self._settings)
                self._client = await self._clients.enter_async_context(opening)
            return self._client


async def ask_ends(
    client: AIOKafkaConsumer, partitions: Collection[TopicPartition], seconds: float, what: str
) -> Ends:
    """Return the ends that a client which does not fetch is told; `what` is said in errors. Raises
    DeadlineExceededError after `seconds`, and BrokerError."""
    try:
        found: Ends = await with_deadline(client.end_offsets(list(partitions)), seconds, what)
    except KafkaError as error:
        raise BrokerError(f"{what}: {error}") from None
    return found
