"""Is a flood of the same word one word at a time?"""

from __future__ import annotations

from farandole.worker.log_throttle import MAX_TRACKED_MESSAGES, LogThrottle


def test_the_first_is_said_at_once() -> None:
    assert LogThrottle(10).due("a", 0) == 0


def test_the_next_is_said_when_its_time_has_come_with_what_was_left_unsaid() -> None:
    sparing = LogThrottle(10)
    sparing.due("a", 0)
    assert [sparing.due("a", t) for t in (1, 9, 10, 11)] == [None, None, 2, None]


def test_other_things_are_said_beside_it() -> None:
    sparing = LogThrottle(10)
    sparing.due("a", 0)
    assert sparing.due("b", 1) == 0


def test_many_different_things_take_no_more_memory() -> None:
    sparing = LogThrottle(10)
    for n in range(10 * MAX_TRACKED_MESSAGES):
        sparing.due(str(n), 0)
    assert len(sparing._said) <= MAX_TRACKED_MESSAGES
