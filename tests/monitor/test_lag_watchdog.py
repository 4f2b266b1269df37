"""Does a monitor that is behind say so, and one that is not?"""

from __future__ import annotations

from farandole.monitor.lag_watchdog import MARKERS_ONLY_AFTER, LagStatus


def test_what_is_not_counted_is_left() -> None:
    assert LagStatus().uncounted_offsets(0, end=100, counted=40, now=0.0) == 60


def test_while_something_moves_what_is_left_is_left() -> None:
    pulse = LagStatus()
    pulse.uncounted_offsets(0, end=100, counted=40, now=0.0)
    assert pulse.uncounted_offsets(0, end=100, counted=41, now=MARKERS_ONLY_AFTER) == 59
    assert pulse.uncounted_offsets(0, end=101, counted=41, now=2 * MARKERS_ONLY_AFTER) == 60


def test_what_stays_when_nothing_moves_are_markers() -> None:
    pulse = LagStatus()
    pulse.uncounted_offsets(0, end=100, counted=99, now=0.0)
    assert pulse.uncounted_offsets(0, end=100, counted=99, now=MARKERS_ONLY_AFTER - 1) == 1
    assert pulse.uncounted_offsets(0, end=100, counted=99, now=MARKERS_ONLY_AFTER) == 0
    assert pulse.uncounted_offsets(1, end=100, counted=99, now=MARKERS_ONLY_AFTER) == 1
