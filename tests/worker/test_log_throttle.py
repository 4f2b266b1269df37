"""Is a flood of the same word one word at a time?"""

from __future__ import annotations

from farandole.worker.log_throttle import MAX_TRACKED_MESSAGES, LogThrottle


def test_the_first_is_said_at_once() -> None:
    assert LogThrottle(10).suppressed_since("a", 0) == 0


def test_the_next_is_said_when_its_time_has_come_with_what_was_left_unsaid() -> None:
    throttle = LogThrottle(10)
    throttle.suppressed_since("a", 0)
    assert [throttle.suppressed_since("a", t) for t in (1, 9, 10, 11)] == [None, None, 2, None]


def test_other_things_are_said_beside_it() -> None:
    throttle = LogThrottle(10)
    throttle.suppressed_since("a", 0)
    assert throttle.suppressed_since("b", 1) == 0


def test_many_different_things_take_no_more_memory() -> None:
    throttle = LogThrottle(10)
    for n in range(10 * MAX_TRACKED_MESSAGES):
        throttle.suppressed_since(str(n), 0)
    assert len(throttle._last_logged) <= MAX_TRACKED_MESSAGES
