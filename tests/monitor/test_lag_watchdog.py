"""Does the monitor know how many entries it has not counted?"""

from __future__ import annotations

from farandole.monitor.lag_watchdog import LATE_AFTER, MARKERS_ONLY_AFTER, LagStatus


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


def test_what_was_there_at_the_first_probe_is_late() -> None:
    assert LagStatus().late_offsets({0: 100}, {0: 60}, now=0.0) == 60


def test_a_steady_stream_is_not_late() -> None:
    lag = LagStatus()
    lag.late_offsets({0: 100}, {0: 0}, now=0.0)
    late = [lag.late_offsets({0: 100 + 50 * n}, {0: 50}, now=float(n)) for n in range(1, 60)]
    assert late == [0] * 59


def test_what_waits_for_longer_is_late() -> None:
    lag = LagStatus()
    lag.late_offsets({0: 100, 1: 7}, {0: 0, 1: 0}, now=0.0)
    lag.late_offsets({0: 150, 1: 7}, {0: 50, 1: 0}, now=1.0)
    assert lag.late_offsets({0: 180, 1: 7}, {0: 80, 1: 0}, now=1.0 + LATE_AFTER) == 50


def test_what_another_monitor_has_not_counted_is_late_after_a_take_over() -> None:
    lag = LagStatus()
    lag.late_offsets({0: 100, 1: 40}, {0: 0}, now=0.0)
    assert lag.late_offsets({0: 100, 1: 40}, {0: 0, 1: 15}, now=1.0) == 15
