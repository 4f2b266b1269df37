"""Is what has fired read for many orders without a client for each of them?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from farandole.broker.settings import Settings
from farandole.scheduler.facts import PastFiring
from farandole.scheduler.firing_history import MAX_READING, FiringHistory
from tests.scheduler.made import utc

START = utc("2026-11-30 02:30")


class _Slow(FiringHistory):
    """Reads until it may end."""

    may_end = False
    reading = most = 0

    async def _scan(
        self, pipeline: str, schedule: str, start: datetime, end: datetime
    ) -> Sequence[PastFiring]:
        self.reading += 1
        self.most = max(self.most, self.reading)
        while not self.may_end:
            await asyncio.sleep(0)
        self.reading -= 1
        return []


async def test_few_orders_are_read_for_at_once() -> None:
    history = _Slow(Settings())
    ends = [START + timedelta(minutes=order) for order in range(1, 50)]

    def unread() -> list[datetime]:
        return [end for end in ends if history.past_firings("p", "s", START, end) is None]

    assert unread() == ends
    for _ in range(100):
        await asyncio.sleep(0)
    history.may_end = True
    async with asyncio.timeout(180):
        left = set(ends)
        while left:
            await asyncio.sleep(0)
            left -= {end for end in left if history.past_firings("p", "s", START, end) is not None}
    assert history.most == MAX_READING
