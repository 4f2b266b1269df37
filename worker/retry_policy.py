"""Is a failed event tried again, when, and until when?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from farandole.broker.backoff import Backoff
from farandole.events.envelope import UnreadableEventError
from farandole.events.error_names import published_error_name
from farandole.events.topology_version import RetryPolicy
from farandole.stages.contract import Reject
from farandole.worker.codecs import InvalidResultError
from farandole.worker.reported_error import ReportedError
from farandole.worker.transaction_buffer import OutputTooLargeError

FINAL_ERRORS = (Reject, UnreadableEventError, InvalidResultError, OutputTooLargeError)
"""Errors that another try cannot change. They are written without a traceback, which would add
nothing to the message."""


class FailedTry(NamedTuple):
    """What decides what happens to a failed event."""

    attempts: int
    """How often it has failed, this time included."""
    waited: float
    """Seconds since its first try, since the breaker closed or since the stage was on hold,
    whichever was last."""
    breaker_open: bool
    key_fails_repeatedly: bool
    """The events before it in its queue used up their tries too."""
    can_wait: bool
    """Its row fits into the retry topic; False also if the stage has none."""


class RetryInPlace(NamedTuple):
    """The lane waits for this number of seconds, and tries the event again."""

    seconds: float


class Park(NamedTuple):
    """The event waits in the retry topic for `seconds`, with `attempts` used up."""

    seconds: float
    attempts: int


class GiveUp(NamedTuple):
    """The event becomes a dead letter."""


RetryDecision = RetryInPlace | Park | GiveUp


def decide(retry: RetryPolicy, failed: FailedTry, random: Callable[[], float]) -> RetryDecision:
    """Return what happens to an event whose try failed with a retryable error.

    While the breaker is open, an event that can wait neither uses up its tries nor dies: the
    dependency is down, not the event at fault.
    """
    spared = failed.can_wait and failed.breaker_open
    if not spared and (
        failed.key_fails_repeatedly or is_exhausted(retry, failed.attempts, failed.waited)
    ):
        return GiveUp()
    seconds = backoff_seconds(retry, failed.attempts, random)
    if not failed.can_wait or (waits_in_place(retry, failed.attempts) and not spared):
        return RetryInPlace(seconds)
    return Park(seconds, failed.attempts - spared)


def is_retryable(retry: RetryPolicy, error: BaseException) -> bool:
    """Return True if another try may succeed. `only` and `never` name the error's class or a base
    of it."""
    if isinstance(error, FINAL_ERRORS):
        return False
    if isinstance(error, ReportedError):  # its bases are known where it was raised
        return error.is_retryable
    names = {published_error_name(each) for each in type(error).__mro__}
    if names.intersection(retry.never):
        return False
    return not retry.only or bool(names.intersection(retry.only))


def backoff_seconds(retry: RetryPolicy, attempt: int, random: Callable[[], float]) -> float:
    """Return the seconds to wait after `attempt` failed tries."""
    return _backoff(retry).delay(attempt, random)


def waits_in_place(retry: RetryPolicy, attempt: int) -> bool:
    """Return True if the lane stands still for that wait. The longest delay decides, not the one
    drawn: otherwise chance would sometimes delay the other events."""
    return _backoff(retry).longest_delay(attempt) <= retry.in_place


def is_exhausted(retry: RetryPolicy, attempts: int, waited: float) -> bool:
    """Return True if an event that failed `attempts` times within `waited` seconds is given up."""
    return attempts >= retry.attempts or (retry.within is not None and waited >= retry.within)


def _backoff(retry: RetryPolicy) -> Backoff:
    return Backoff(retry.backoff, retry.max_backoff, retry.jitter)
