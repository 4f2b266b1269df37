"""Is the same message logged only once per interval?"""

from __future__ import annotations

from farandole.worker.log_throttle import MAX_TRACKED_MESSAGES, LogThrottle


def test_the_first_message_is_logged_at_once() -> None:
    assert LogThrottle(10).suppressed_since("a", 0) == 0


def test_the_next_message_is_logged_after_the_interval_with_the_suppressed_count() -> None:
    throttle = LogThrottle(10)
    throttle.suppressed_since("a", 0)
    assert [throttle.suppressed_since("a", t) for t in (1, 9, 10, 11)] == [None, None, 2, None]


def test_other_messages_are_not_suppressed() -> None:
    throttle = LogThrottle(10)
    throttle.suppressed_since("a", 0)
    assert throttle.suppressed_since("b", 1) == 0


def test_many_different_messages_take_no_more_memory() -> None:
    throttle = LogThrottle(10)
    for n in range(10 * MAX_TRACKED_MESSAGES):
        throttle.suppressed_since(str(n), 0)
    assert len(throttle._last_logged) <= MAX_TRACKED_MESSAGES
