"""Does the monitor know how many entries it has not counted?"""

from __future__ import annotations

from farandole.monitor.lag_watchdog import MARKERS_ONLY_AFTER, LagStatus


def test_offsets_that_are_not_counted_are_uncounted() -> None:
    assert LagStatus().uncounted_offsets(0, end=100, counted=40, now=0.0) == 60


def test_uncounted_offsets_stay_while_an_offset_moves() -> None:
    pulse = LagStatus()
    pulse.uncounted_offsets(0, end=100, counted=40, now=0.0)
    assert pulse.uncounted_offsets(0, end=100, counted=41, now=MARKERS_ONLY_AFTER) == 59
    assert pulse.uncounted_offsets(0, end=101, counted=41, now=2 * MARKERS_ONLY_AFTER) == 60


def test_uncounted_offsets_without_progress_are_markers() -> None:
    pulse = LagStatus()
    pulse.uncounted_offsets(0, end=100, counted=99, now=0.0)
    assert pulse.uncounted_offsets(0, end=100, counted=99, now=MARKERS_ONLY_AFTER - 1) == 1
    assert pulse.uncounted_offsets(0, end=100, counted=99, now=MARKERS_ONLY_AFTER) == 0
    assert pulse.uncounted_offsets(1, end=100, counted=99, now=MARKERS_ONLY_AFTER) == 1
