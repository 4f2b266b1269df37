"""Does the monitor say when its figures are not those of now?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from farandole.monitor.faust_app import MonitorApp
from farandole.monitor.lag_watchdog import LagStatus
from farandole.monitor.monitor_state import staleness_reason

COUNTING = cast(MonitorApp, SimpleNamespace(windows_loaded=True, partitions=2))


def test_a_monitor_that_catches_up_says_how_much_is_left() -> None:
    lag = LagStatus(answered_at=100.0, unread=238_317, late=238_000, owned_partitions=(0, 1))
    reason = staleness_reason(COUNTING, lag, now=101.0)
    assert reason is not None
    assert reason.code == "catching_up"
    assert "catching up, 238\u202f317 offsets of the ledger unread" in reason.text()


def test_entries_that_have_just_come_are_no_trouble() -> None:
    lag = LagStatus(answered_at=100.0, unread=40, late=0, owned_partitions=(0, 1))
    assert staleness_reason(COUNTING, lag, now=101.0) is None
