"""How does a command work on rows that a running service holds in memory?

It starts a producer with the transactional id of their owner, which fences the owner: until the
owner is born again, nobody else writes those rows, and then it reads what the command has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    BrokerError,
    DeadlineExceededError,
    ProducerFencedError,
    TransactionFailedError,
)
from farandole.broker.settings import Settings
from farandole.broker.transactions import FencedProducer, fenced_producer

T = TypeVar("T")

_MAX_ATTEMPTS = 12  # an owner that is born again at the same moment fences us
_BACKOFF = Backoff(first=0.1, longest=3.0, jitter=0.75)


async def as_owner(
    settings: Settings, transactional_id: str, work: Callable[[FencedProducer], Awaitable[T]]
) -> T:
    """Return the result of `work` with a producer of this id; again if the owner, born again, has
    fenced it. Raises BrokerError."""
    last: Exception | None = None
    for attempt in range(_MAX_ATTEMPTS):
        try:
            async with fenced_producer(settings, transactional_id) as producer:
                return await work(producer)
        except (ProducerFencedError, TransactionFailedError, DeadlineExceededError) as error:
            last = error
        await asyncio.sleep(_BACKOFF.delay(attempt + 1))
    raise BrokerError(f"{transactional_id} was taken {_MAX_ATTEMPTS} times ({last}); try again")
