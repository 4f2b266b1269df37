"""Which alerts does the scheduler raise, with which words, and until when?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from farandole.events.alert_record import Alert
from farandole.events.alert_tracker import CLEAR_AFTER_MS
from farandole.events.schedule_row import Decision, FiredRun, ScheduleRow, WaitingTime
from farandole.scheduler.schedule_alerts import (
    MAX_CLOCK_DIFFERENCE,
    ScheduleCondition,
    clock_condition,
    may_alert,
    schedule_conditions,
    schedule_tracker,
)

NOW = datetime(2026, 11, 30, 2, 31, tzinfo=UTC)
PLANNED = NOW - timedelta(minutes=1)


def row(**fields: Any) -> ScheduleRow:
    return ScheduleRow(pipeline="p", schedule="nightly", version=1, through=PLANNED, **fields)


def waiting(alert: str, why: str) -> ScheduleRow:
    return row(waiting=(WaitingTime(planned=PLANNED, due=PLANNED, why=why, alert=alert),))


def decided(alert: str, reason: str, outcome: str = "missed") -> ScheduleRow:
    last = {"planned": PLANNED, "outcome": outcome, "reason": reason, "at": NOW, "alert": alert}
    return row(decided=Decision.model_validate(last))


def unread(seconds: float, run: str | None = "k7mq2vtd4x3aa") -> ScheduleRow:
    fired = NOW - timedelta(seconds=seconds)
    return row(runs=(FiredRun(planned=PLANNED, event="e", topic="p.a", fired=fired, run=run),))


def told(of: ScheduleRow, *, failure: str = "", roots_wait: bool = False) -> list[Alert]:
    """Return the alerts that fire at once for a row."""
    found = schedule_conditions(of, NOW, failure=failure, roots_wait=roots_wait)
    return schedule_tracker().update([*found], 0)


@pytest.mark.parametrize(
    ("of", "kind", "text"),
    [
        (
            waiting("schedule.failed", "the topic p.a does not exist"),
            "schedule.failed",
            "2026-11-30 02:30:00 UTC waits: the topic p.a does not exist",
        ),
        (
            decided("schedule.failed", "data.week: `${weak}` is unknown"),
            "schedule.failed",
            "2026-11-30 02:30:00 UTC missed: data.week: `${weak}` is unknown",
        ),
        (
            decided("schedule.partial", "at its deadline prices was missing", "fired"),
            "schedule.partial",
            "2026-11-30 02:30:00 UTC fired: at its deadline prices was missing",
        ),
        (
            waiting("schedule.unknown", "the books are behind"),
            "schedule.unknown",
            "2026-11-30 02:30:00 UTC waits: the books are behind",
        ),
        (
            unread(61),
            "schedule.unread",
            "the books do not have run k7mq2vtd4x3aa (planned for 2026-11-30 02:30:00 UTC), which"
            " was triggered more than 60 s ago",
        ),
    ],
)
def test_an_alert_names_schedule_time_and_reason(of: ScheduleRow, kind: str, text: str) -> None:
    (alert,) = told(of)
    assert may_alert(of)
    assert (alert.kind, alert.pipeline, alert.schedule) == (kind, "p", "nightly")
    assert alert.key == f"p/schedule/nightly/{kind.partition('.')[2]}"
    assert alert.text == (
        f"`nightly`: {text}; see more with: farandole schedules show nightly --history"
    )


def test_what_cannot_be_decided_at_all_is_told() -> None:
    (alert,) = told(row(), failure="unknown zone Europe/Atlantis")
    assert alert.text.startswith("`nightly`: unknown zone Europe/Atlantis; see more with")


def test_a_run_that_is_read_within_a_minute_is_no_alert() -> None:
    assert may_alert(unread(59))
    assert told(unread(59)) == []


def test_a_run_whose_root_waits_on_purpose_is_no_alert() -> None:
    assert told(unread(3600), roots_wait=True) == []


def test_where_all_is_well_nothing_needs_to_be_watched() -> None:
    assert not may_alert(decided("", "", "fired"))
    assert told(decided("", "", "fired")) == []


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (waiting("schedule.failed", "no topic"), "`nightly` can fire again"),
        (decided("schedule.partial", "late"), "`nightly` has had everything that it depends on"),
        (unread(61), "the books have the runs of `nightly`"),
    ],
)
def test_an_alert_ends_with_the_next_decision(of: ScheduleRow, text: str) -> None:
    tracker = schedule_tracker()
    tracker.update([*schedule_conditions(of, NOW, failure="", roots_wait=False)], 0)
    well = [*schedule_conditions(decided("", "", "fired"), NOW, failure="", roots_wait=False)]
    assert tracker.update(well, 1) == []
    (alert,) = tracker.update(well, 1 + CLEAR_AFTER_MS)
    assert (alert.state, alert.text) == ("resolved", text)


def clock_alerts(*differences: float | None) -> list[Alert]:
    """Return the alerts where the clocks differ by so many seconds, each for a while."""
    tracker, found = schedule_tracker(), list[Alert]()
    for number, difference in enumerate(differences):
        condition: list[ScheduleCondition] = [clock_condition("p", difference)]
        found += tracker.update(condition, number * 2 * CLEAR_AFTER_MS)
        found += tracker.update(condition, (number * 2 + 1) * CLEAR_AFTER_MS)
    return found


def test_a_clock_that_is_wrong_is_told_with_its_difference() -> None:
    behind, right = clock_alerts(0.2, -7.25, MAX_CLOCK_DIFFERENCE)
    assert (behind.key, behind.schedule) == ("p/scheduler/clock", None)
    assert "is 7.2 s behind the broker's" in behind.text
    assert "NTP" in behind.text
    assert (right.state, right.text) == (
        "resolved", "the clock of the scheduler's machine agrees with the broker's",
    )  # fmt: skip


def test_a_clock_that_is_not_known_changes_nothing() -> None:
    assert [each.state for each in clock_alerts(9, None, None)] == ["firing"]
