"""How long does a caller wait before it tries again?"""

from __future__ import annotations

import pytest

from farandole.broker.backoff import Backoff, is_logged


def test_each_wait_is_twice_as_long_up_to_the_longest() -> None:
    waits = [Backoff(0.5, 3).delay(failures) for failures in range(1, 6)]
    assert waits == [0.5, 1, 2, 3, 3]


def test_no_number_of_failures_overflows() -> None:
    assert Backoff(1, 10).longest_delay(10**9) == 10


def test_before_any_failure_the_wait_is_half_of_the_first() -> None:
    assert Backoff(1, 10).longest_delay(0) == 0.5


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 1.0), (0.5, 2.5), (1.0, 4.0)])
def test_jitter_shortens_a_wait_by_at_most_its_share(chance: float, expected: float) -> None:
    assert Backoff(1, 4, jitter=0.75).delay(3, lambda: chance) == pytest.approx(expected)


def test_the_intervals_between_logged_failures_double() -> None:
    assert [failures for failures in range(1, 40) if is_logged(failures)] == [1, 2, 4, 8, 16, 32]
