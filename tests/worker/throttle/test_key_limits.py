"""When is an event due whose key has more of them than its rate lets pass?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.rate import parse_rate
from farandole.worker.throttle import key_limits
from farandole.worker.throttle.key_limits import KeyLimits

KEY = ("topic", b"k")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(rate: str) -> tuple[KeyLimits, Clock]:
    clock = Clock()
    found = KeyLimits(clock)
    found.set_rate(parse_rate(rate))
    return found, clock


def test_a_key_may_have_a_seconds_worth_at_once_and_then_its_rate() -> None:
    found, clock = limits("10/s")
    assert [found.is_over(KEY, n) for n in range(12)] == [False] * 10 + [True] * 2
    clock.now += 0.1
    assert [found.is_over(KEY, n) for n in (12, 13)] == [False, True]
    assert not found.is_over(("topic", b"other"), 0)


def test_at_a_low_rate_a_key_may_have_one_event_at_once() -> None:
    found, clock = limits("10/h")
    assert [found.is_over(KEY, n) for n in (0, 1)] == [False, True]
    clock.now += 359
    assert found.is_over(KEY, 2)
    clock.now += 1
    assert not found.is_over(KEY, 3)


def test_an_event_that_comes_again_is_not_charged_again() -> None:
    found, _ = limits("1/s")
    assert not found.is_over(KEY, 7)
    assert not found.is_over(KEY, 7)
    assert found.is_over(KEY, 8)


@given(st.lists(st.floats(0, 3), min_size=2, max_size=40))
def test_no_more_are_due_than_the_rate_gives(pauses: list[float]) -> None:
    found, clock = limits("2/s")
    due: list[float] = []
    for offset, pause in enumerate(pauses):
        clock.now += pause
        waiting = due[-1] if due and due[-1] > clock.now else 0.0
        if waiting or found.is_over(KEY, offset):
            due.append(found.reserve(KEY, offset, waiting))
        else:
            due.append(clock.now)
    assert due == sorted(due)
    for first, at in enumerate(due):
        assert sum(each < at + 5 - 1e-6 for each in due[first:]) <= 2 * 5 + 2


def test_after_a_take_over_events_follow_those_that_wait() -> None:
    found, clock = limits("2/s")
    assert found.reserve(KEY, 5, clock.now + 4) == pytest.approx(clock.now + 4.5)
    assert found.reserve(KEY, 6, clock.now + 4.5) == pytest.approx(clock.now + 5)


def test_events_without_a_key_and_stages_without_a_rate_know_no_limit() -> None:
    found, clock = limits("1/s")
    assert not any(found.is_over(("topic", offset), offset) for offset in range(5))
    found.set_rate(None)
    assert not any(found.is_over(KEY, offset) for offset in range(5))
    assert found.reserve(KEY, 5, clock.now + 4) == clock.now


def test_a_lane_remembers_so_many_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_limits, "MAX_KEYS", 10)
    found, clock = limits("1/m")
    for number in range(25):
        assert not found.is_over(("topic", b"%d" % number), 0)
    assert len(found._buckets) <= 10
    assert found.is_over(("topic", b"24"), 1)
    clock.now += 61
    assert not found.is_over(("topic", b"new"), 0)
    assert len(found._buckets) == 1 or len(found._buckets) <= 10
