"""Does a monitor that is behind say so, and one that is not?"""

from __future__ import annotations

from farandole.monitor.pulse import STILL, Pulse


def test_what_is_not_counted_is_left() -> None:
    assert Pulse().left(0, end=100, done=40, now=0.0) == 60


def test_while_something_moves_what_is_left_is_left() -> None:
    pulse = Pulse()
    pulse.left(0, end=100, done=40, now=0.0)
    assert pulse.left(0, end=100, done=41, now=STILL) == 59
    assert pulse.left(0, end=101, done=41, now=2 * STILL) == 60


def test_what_stays_when_nothing_moves_are_markers() -> None:
    pulse = Pulse()
    pulse.left(0, end=100, done=99, now=0.0)
    assert pulse.left(0, end=100, done=99, now=STILL - 1) == 1
    assert pulse.left(0, end=100, done=99, now=STILL) == 0
    assert pulse.left(1, end=100, done=99, now=STILL) == 1
