"""Does the monitor know how many entries it has not counted?"""

from __future__ import annotations

import pytest

from farandole.monitor.lag_watchdog import (
    LATE_AFTER,
    MARKERS_ONLY_AFTER,
    STALLED_AFTER,
    STALLED_WHEN_WOKEN,
    LagStatus,
    StallWatch,
)


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


def stalls_after(watch: StallWatch, *, since: float, counted: int, unread: int | None) -> float:
    """Return how many seconds pass until the watch, asked every two seconds, sees a stall."""
    at = since
    while not watch.is_stalled(at, counted, unread):
        at += 2.0
        assert at - since < 10 * STALLED_AFTER
    return at - since


@pytest.mark.parametrize("unread", [7, None])
def test_faust_has_stalled_if_it_counts_nothing_while_entries_wait(unread: int | None) -> None:
    watch = StallWatch(8.0)
    assert not watch.is_stalled(0.0, 5, 0)
    seconds = stalls_after(watch, since=2.0, counted=5, unread=unread)
    assert abs(seconds - STALLED_AFTER) <= 2.0


def test_an_idle_ledger_is_no_stall() -> None:
    watch = StallWatch(8.0)
    assert not any(watch.is_stalled(float(at), 5, 0) for at in range(0, 1000, 2))


def test_the_time_in_which_the_process_was_frozen_is_no_stall() -> None:
    watch = StallWatch(8.0)
    watch.is_stalled(0.0, 5, 7)
    assert not watch.is_stalled(3600.0, 5, 7)


def test_a_woken_monitor_that_counts_nothing_ends_within_seconds() -> None:
    """Its supervisor starts another one, which counts again at once."""
    watch = StallWatch(8.0)
    watch.is_stalled(0.0, 5, 7)
    seconds = stalls_after(watch, since=60.0, counted=5, unread=None)
    assert abs(seconds - STALLED_WHEN_WOKEN) <= 2.0


def test_a_woken_monitor_that_counts_again_is_as_patient_as_before() -> None:
    watch = StallWatch(8.0)
    watch.is_stalled(0.0, 5, 7)
    watch.is_stalled(60.0, 5, 7)
    watch.is_stalled(62.0, 6, 7)
    assert stalls_after(watch, since=64.0, counted=6, unread=7) >= STALLED_AFTER - 2.0


def test_an_outage_of_kafka_is_no_stall() -> None:
    watch = StallWatch(8.0)
    watch.is_stalled(0.0, 5, 7)
    watch.restart(500.0)
    assert not watch.is_stalled(502.0, 5, 7)
