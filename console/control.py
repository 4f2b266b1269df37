"""How does a person's wish reach the running system?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.broker.clients import opened, producer, within
from farandole.broker.settings import Settings
from farandole.events.control import Control, written


async def publish(settings: Settings, wish: Control, gone: Sequence[bytes] = ()) -> None:
    """Write it to `farandole.control`, and take away what stands there under the keys `gone`.
    Raises BrokerError."""
    rows = [(wish.key, written(wish)), *((key, None) for key in gone if key != wish.key)]
    async with opened(producer(settings), settings) as writer:
        for key, value in rows:
            await within(
                writer.send_and_wait(settings.names.control, value, key=key, partition=0),
                settings.deadline,
                f"writing to {settings.names.control}",
            )
