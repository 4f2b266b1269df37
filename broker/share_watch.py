"""Which stages does a throttle hold back, as the lanes themselves say?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table_if_there
from farandole.events.throttled_stages import ThrottledStages, read_share


@asynccontextmanager
async def watch_shares(settings: Settings) -> AsyncIterator[ThrottledStages]:
    """Yield what the lanes say, kept up to date. If the topic of shares does not exist, no stage is
    throttled until the process is started again. Raises BrokerError."""
    async with follow_table_if_there(
        settings,
        settings.names.shares_topic,
        lambda record: read_share(record.value) is not None,
    ) as table:
        yield ThrottledStages(table)
