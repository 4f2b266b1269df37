"""Does a breaker open in an outage, however busy the lane was, and stay closed otherwise?"""

from __future__ import annotations

import pytest

from farandole.events.topology_version import BreakerPolicy
from farandole.worker.circuit_breaker import CircuitBreaker

POLICY = BreakerPolicy(share=0.5, failures=20, window=10)


def busy() -> CircuitBreaker:
    """A breaker whose lane had 10,000 successes a second up to second 10."""
    breaker = CircuitBreaker(POLICY)
    for second in range(11):
        breaker.record_attempts(float(second), 10_000)
    return breaker


def fail(breaker: CircuitBreaker, begin: float, tries: int, every: float) -> float | None:
    """Let tries fail; return when the breaker opened, None if it did not."""
    for number in range(tries):
        now = begin + number * every
        breaker.record_attempts(now, 1, failures=1)
        if breaker.is_open:
            return now
    return None


def test_the_successes_before_an_outage_do_not_hide_it() -> None:
    opened = fail(busy(), 10.0, tries=100, every=0.1)
    assert opened == pytest.approx(11.9)


def test_many_failures_at_once_open_no_busy_lane() -> None:
    assert fail(busy(), 10.0, tries=500, every=0.001) is None


def test_failures_between_successes_open_no_busy_lane() -> None:
    breaker = busy()
    for number in range(100):
        assert fail(breaker, 10 + number * 0.5, tries=19, every=0.01) is None
        breaker.record_attempts(10 + number * 0.5 + 0.4, 1_000)


def test_a_clock_that_is_set_back_opens_nothing() -> None:
    assert fail(busy(), -3600.0, tries=100, every=0.1) is None
