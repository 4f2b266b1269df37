"""Which rows does the scheduler's topic have, once it exists?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table


class ScheduleRows:
    """The rows of `farandole.schedules`, which a router creates: it may be of a later release than
    the router that ran when this process began."""

    def __init__(self, settings: Settings, clients: AsyncExitStack) -> None:
        self._settings = settings
        self._clients = clients
        self._table: TableFollower | None = None

    async def current(self, admin: ClusterAdmin) -> Mapping[bytes, bytes]:
        """Return all rows that can be read now, an object that does not change; none if the topic
        does not exist. Raises BrokerError."""
        topic = self._settings.names.schedules_topic
        if self._table is None and topic in await admin.topics([topic]):
            following = follow_table(self._settings, topic)
            self._table = await self._clients.enter_async_context(following)
        return {} if self._table is None else await self._table.current()


@asynccontextmanager
async def follow_schedules(settings: Settings) -> AsyncIterator[ScheduleRows]:
    """Yield the rows, kept up to date from the first time on that somebody asks for them."""
    async with AsyncExitStack() as clients:
        yield ScheduleRows(settings, clients)
