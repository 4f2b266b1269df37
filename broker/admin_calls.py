"""How is an admin request retried until it succeeds or fails for good?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiokafka.errors import GroupLoadInProgressError, KafkaError, NoError

from farandole.broker.broker_errors import AccessDeniedError, BrokerError, DeadlineExceededError
from farandole.broker.connection_diagnosis import is_access_denied
from farandole.broker.missing_rights import Right, denial_text, missing_right

log = structlog.get_logger()

T = TypeVar("T")

POLL_INTERVAL = 0.02  # seconds
LOADING_SECONDS = 120.0  # for which a coordinator may load before a deadline begins
_NOTICE_SECONDS = 5.0


async def call_until_final(call: Callable[[], Awaitable[T]], seconds: float, what: str) -> T:
    """Retry a request as long as its error is retriable, and return the answer. `what` is the start
    of error messages. Raises DeadlineExceededError after `seconds`, AccessDeniedError and
    BrokerError. A coordinator that loads its state answers nothing else for a while: the deadline
    begins when it has loaded, or after `LOADING_SECONDS`."""
    now = asyncio.get_running_loop().time
    began = noticed = now()

    try:
        async with asyncio.timeout(seconds) as deadline:
            while True:
                try:
                    return await call()
                except GroupLoadInProgressError:
                    if now() - began < LOADING_SECONDS:
                        deadline.reschedule(now() + seconds)
                    if now() - noticed > _NOTICE_SECONDS:
                        noticed = now()
                        log.warning(
                            "kafka.loading", what=what, seconds=round(noticed - began),
                            remedy="it reads its offsets after a start; nothing need be done",
                        )  # fmt: skip
                except KafkaError as error:
                    if not (error.retriable or isinstance(error, NoError)):
                        raise
                await asyncio.sleep(POLL_INTERVAL)
    except TimeoutError:
        raise DeadlineExceededError(f"{what}: no answer within {now() - began:.0f} s") from None
    except KafkaError as error:
        right = missing_right(error)
        if right is not None:
            raise AccessDeniedError(f"{what}: {denial_text(right)}") from None
        text = f"{what} failed: {error}"
        denied = is_access_denied(type(error))
        raise (AccessDeniedError(text) if denied else BrokerError(text)) from None


def raise_for_code(error: type[KafkaError], what: str, message: str | None, right: Right) -> None:
    """Raise AccessDeniedError or BrokerError for an error in an answer; return for NoError. `right`
    is what the request needs."""
    if error is NoError:
        return
    if missing_right(error()) is not None:
        raise AccessDeniedError(f"{what}: {denial_text(right)}")
    text = f"{what}: {message or error.description}"
    raise AccessDeniedError(text) if is_access_denied(error) else BrokerError(text)
