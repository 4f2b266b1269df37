"""How is a table followed that most processes never ask for?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table_if_there

log = structlog.get_logger()

_NOTHING_READ: Mapping[bytes, bytes] = {}
_RETRY_SECONDS = 5.0  # between two looks for a topic that does not exist


class LazyFollower:
    """Follows a topic of one partition from the first question on."""

    def __init__(self, settings: Settings, topic: str, without: str) -> None:
        """`without`: what follows if the topic does not exist, for the log."""
        self._settings = settings
        self._topic = topic
        self._without = without
        self._wanted = asyncio.Event()
        self._follower: TableFollower | None = None
        self._is_missing = False

    def rows(self) -> Mapping[bytes, bytes] | None:
        """Return the rows by key, as far as they are read, a new object after each change; None if
        the topic does not exist."""
        self._wanted.set()
        if self._follower is not None:
            return self._follower.rows
        return None if self._is_missing else _NOTHING_READ

    def written_at(self) -> Mapping[bytes, int]:
        """Return when each row was written, in milliseconds of the epoch."""
        return {} if self._follower is None else self._follower.written_at

    async def run(self) -> None:
        """Follow the topic, once its rows are wanted, until cancelled."""
        await self._wanted.wait()
        while True:
            try:
                await self._follow()
            except BrokerError as error:
                log.warning("table.unread", topic=self._topic, why=str(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        async with follow_table_if_there(self._settings, self._topic) as found:
            if found is not None:
                self._follower, self._is_missing = found, False
                await asyncio.Event().wait()  # until cancelled
            if not self._is_missing:
                log.warning(
                    "topic.missing",
                    topic=self._topic,
                    why=self._without,
                    remedy="start a router of this release, which creates it",
                )
            self._is_missing = True


@asynccontextmanager
async def follow_lazily(
    settings: Settings, topic: str, without: str
) -> AsyncIterator[LazyFollower]:
    """Yield a follower, which reads on until the context ends."""
    follower = LazyFollower(settings, topic, without)
    reading = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        reading.cancel()
        await asyncio.wait({reading})
