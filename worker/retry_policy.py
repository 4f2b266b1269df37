"""Is an event worth another try, when, and until when?"""

from __future__ import annotations

from collections.abc import Callable

from farandole.broker.backoff import Backoff
from farandole.events.envelope import UnreadableEventError
from farandole.events.error_names import published_error_name
from farandole.events.topology_version import RetryPolicy
from farandole.stages.contract import Reject
from farandole.worker.output_routing import InvalidResultError
from farandole.worker.transaction_buffer import OutputTooLargeError

FINAL_ERRORS = (Reject, UnreadableEventError, InvalidResultError, OutputTooLargeError)
"""What no second try can change; their message says all, a traceback would say nothing more."""


def is_retryable(retry: RetryPolicy, error: BaseException) -> bool:
    """May another try change anything? `only` and `never` name its class or a base."""
    if isinstance(error, FINAL_ERRORS):
        return False
    names = {published_error_name(each) for each in type(error).__mro__}
    if names.intersection(retry.never):
        return False
    return not retry.only or bool(names.intersection(retry.only))


def backoff_seconds(retry: RetryPolicy, attempt: int, random: Callable[[], float]) -> float:
    """Seconds before the try after `attempt` of them."""
    return _backoff(retry).delay(attempt, random)


def waits_in_place(retry: RetryPolicy, attempt: int) -> bool:
    """Does the lane stand still for that wait? What chance may make of it is no reason: it would
    hold up the others now and then."""
    return _backoff(retry).longest_delay(attempt) <= retry.in_place


def is_exhausted(retry: RetryPolicy, attempts: int, waited: float) -> bool:
    """Is an event given up that has failed so often, after so many seconds?"""
    return attempts >= retry.attempts or (retry.within is not None and waited >= retry.within)


def _backoff(retry: RetryPolicy) -> Backoff:
    return Backoff(retry.backoff, retry.max_backoff, retry.jitter)
