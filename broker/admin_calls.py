"""How is an admin request retried until it succeeds or fails for good?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import KafkaError, NoError

from farandole.broker.broker_errors import AccessDeniedError, BrokerError
from farandole.broker.connection_diagnosis import is_access_denied
from farandole.broker.kafka_clients import with_deadline

T = TypeVar("T")

POLL_INTERVAL = 0.02  # seconds


async def call_until_final(call: Callable[[], Awaitable[T]], seconds: float, what: str) -> T:
    """Retry a request as long as its error is retriable, and return the answer. `what` is the start
    of error messages. Raises DeadlineExceededError after `seconds`, AccessDeniedError and
    BrokerError."""

    async def tries() -> T:
        while True:
            try:
                return await call()
            except KafkaError as error:
                if not (error.retriable or isinstance(error, NoError)):
                    raise
            await asyncio.sleep(POLL_INTERVAL)

    try:
        return await with_deadline(tries(), seconds, what)
    except KafkaError as error:
        text = f"{what} failed: {error}"
        denied = is_access_denied(type(error))
        raise (AccessDeniedError(text) if denied else BrokerError(text)) from None


def raise_for_code(error: type[KafkaError], what: str, message: str | None) -> None:
    """Raise AccessDeniedError or BrokerError for an error in an answer; return for NoError."""
    if error is NoError:
        return
    text = f"{what}: {message or error.description}"
    raise AccessDeniedError(text) if is_access_denied(error) else BrokerError(text)
