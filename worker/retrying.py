"""Is an event worth another try, when, and until when?"""

from __future__ import annotations

from collections.abc import Callable

from farandole.events.envelope import Unreadable
from farandole.events.topology import Retry
from farandole.stages.contract import Reject
from farandole.worker.binding import WrongResult
from farandole.worker.results import TooMuch

FINAL = (Reject, Unreadable, WrongResult, TooMuch)
"""What no second try can change; their message says all, a traceback would say nothing more."""


def worth(retry: Retry, error: BaseException) -> bool:
    """May another try change anything? `only` and `never` name its class or a base."""
    if isinstance(error, FINAL):
        return False
    names = {each.__name__ for each in type(error).__mro__}
    if names.intersection(retry.never):
        return False
    return not retry.only or bool(names.intersection(retry.only))


def wait(retry: Retry, attempt: int, random: Callable[[], float]) -> float:
    """Seconds before the try after `attempt` of them: exponential, `jitter` of it left to chance.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""
    return _longest(retry, attempt) * (1 - retry.jitter * (1 - random()))


def in_place(retry: Retry, attempt: int) -> bool:
    """Does the lane stand still for that wait? What chance may make of it is no reason: it would
    hold up the others now and then."""
    return _longest(retry, attempt) <= retry.in_place


def exhausted(retry: Retry, attempts: int, waited: float) -> bool:
    """Is an event given up that has failed so often, after so many seconds?"""
    return attempts >= retry.attempts or (retry.within is not None and waited >= retry.within)


def _longest(retry: Retry, attempt: int) -> float:
    return min(retry.max_backoff, retry.backoff * 2.0 ** min(attempt - 1, 60))
