"""Is a schedule that did not fire told of in time, and no other?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from farandole.catalog.topology_table import TopologyTable
from farandole.events.alert_record import Alert
from farandole.events.controls_in_force import TimedDocument
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.schedule_row import Decision, ScheduleRow, WaitingTime, parse_schedule_row
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import Version
from farandole.ledger.alert_text import condition_tracker
from farandole.ledger.overdue_schedules import MAX_NAMED, OverdueSchedules
from tests.catalog.made import version as made_version

PUBLISHED = datetime(2026, 11, 24, 12, tzinfo=UTC)
PLANNED = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
NIGHTLY = ScheduleSpec(triggers="a", cron="30 2 * * *")
ROUND = timedelta(seconds=6)
KEY = "p/schedule/nightly/overdue"


def version(number: int = 1, **schedules: ScheduleSpec) -> Version:
    return made_version(number, {}, {}).model_copy(
        update={"schedules": schedules or {"nightly": NIGHTLY}, "published": PUBLISHED}
    )


def row(**fields: object) -> ScheduleRow:
    values = {"through": PUBLISHED, "next": PLANNED, "due": PLANNED, "version": 1}
    return ScheduleRow.model_validate({"pipeline": "p", "schedule": "nightly", **values, **fields})


class Installation:
    """What the bookkeeper sees of schedules, and which alerts it has published."""

    def __init__(self, *versions: Version) -> None:
        self.table = TopologyTable(versions=versions or (version(),))
        self.rows: Mapping[bytes, bytes] = {}
        self.documents: list[TimedDocument] = []
        self.schedulers = 0
        self.overdue = OverdueSchedules()
        self.tracker = condition_tracker()

    def write(self, *rows: ScheduleRow) -> None:
        written = {each.key: each.model_dump_json().encode() for each in rows}
        self.rows = {**self.rows, **written}

    def say(self, at: datetime, *, paused: bool, schedule: str = "nightly", **more: object) -> None:
        fields = {"pipeline": "p", "schedule": schedule, "paused": paused, **more}
        control = ScheduleDocument.model_validate(fields)
        self.documents.append(TimedDocument(control, at, len(self.documents)))

    def look(self, now: datetime) -> list[Alert]:
        found = self.overdue.conditions(
            self.rows,
            self.table,
            self.documents,
            self.tracker.firing.keys(),
            self.schedulers,
            now,
        )
        return self.tracker.update([*found], int(now.timestamp() * 1000))

    def watch(self, start: datetime, end: datetime) -> list[Alert]:
        """Look as often as the bookkeeper does, and return the alerts."""
        found = list[Alert]()
        while start <= end:
            found += self.look(start)
            start += ROUND
        return found


def states(alerts: Collection[Alert]) -> list[tuple[str, str]]:
    return [(each.key, each.state) for each in alerts]


def test_an_alert_names_schedule_and_time_within_a_minute() -> None:
    made = Installation()
    made.write(row())
    (alert,) = made.watch(PLANNED - timedelta(hours=1), PLANNED + timedelta(seconds=60))
    assert (alert.key, alert.kind, alert.schedule) == (KEY, "schedule.overdue", "nightly")
    assert alert.text == (
        "`nightly` has not fired for 2026-11-25 02:30:00 UTC: no scheduler runs;"
        " start one: farandole keep-time"
    )


def test_where_a_scheduler_runs_the_alert_says_where_to_look() -> None:
    made = Installation()
    made.schedulers = 1
    made.write(row())
    (alert,) = made.watch(PLANNED, PLANNED + timedelta(seconds=60))
    assert alert.text == (
        "`nightly` has not fired for 2026-11-25 02:30:00 UTC;"
        " see why with: farandole schedules show nightly"
    )


def test_a_take_over_raises_no_alert() -> None:
    made = Installation()
    made.write(row())
    assert made.watch(PLANNED, PLANNED + timedelta(seconds=25)) == []
    made.write(row(next=PLANNED + timedelta(days=1), due=PLANNED + timedelta(days=1)))
    assert made.watch(PLANNED + timedelta(seconds=26), PLANNED + timedelta(minutes=10)) == []


def test_the_alert_is_resolved_when_the_schedule_has_moved() -> None:
    made = Installation()
    made.write(row())
    made.watch(PLANNED, PLANNED + timedelta(minutes=5))
    tomorrow, at = PLANNED + timedelta(days=1), PLANNED + timedelta(minutes=5)
    decided = Decision(planned=PLANNED, outcome="fired", at=at)
    made.write(row(next=tomorrow, due=tomorrow, decided=decided))
    (alert,) = made.watch(at, at + timedelta(minutes=1))
    assert states([alert]) == [(KEY, "resolved")]
    assert alert.text == "`nightly` is no longer overdue; 2026-11-25 02:30:00 UTC: fired"


def test_what_waits_for_something_else_is_not_overdue() -> None:
    made = Installation()
    waiting = WaitingTime(planned=PLANNED, due=PLANNED, why="run x has not ended")
    made.write(row(due=None, waiting=(waiting,)))
    assert made.watch(PLANNED, PLANNED + timedelta(hours=1)) == []


def test_the_time_that_waits_is_named_and_not_the_one_after_it() -> None:
    made = Installation()
    waiting = WaitingTime(planned=PLANNED, due=PLANNED + timedelta(minutes=5))
    made.write(row(next=PLANNED + timedelta(days=1), due=waiting.due, waiting=(waiting,)))
    (alert,) = made.watch(PLANNED, PLANNED + timedelta(minutes=6))
    assert "02:30:00 UTC" in alert.text


def test_a_late_one_that_waits_for_its_minute_is_named() -> None:
    made = Installation()
    minute = PLANNED + timedelta(hours=1)
    waiting = WaitingTime(planned=PLANNED, due=PLANNED, why="no more than 1 late ones fire")
    made.write(row(next=PLANNED + timedelta(days=1), due=minute, waiting=(waiting,)))
    (alert,) = made.watch(PLANNED, minute + timedelta(minutes=1))
    assert "2026-11-25 02:30:00 UTC" in alert.text


@pytest.mark.parametrize("schedule", ["nightly", ""])
def test_a_paused_schedule_is_not_overdue(schedule: str) -> None:
    made = Installation()
    made.write(row())
    made.say(PUBLISHED, paused=True, schedule=schedule)
    assert made.watch(PLANNED, PLANNED + timedelta(hours=1)) == []


def test_one_that_the_file_pauses_needs_no_scheduler() -> None:
    made = Installation(version(nightly=NIGHTLY.model_copy(update={"paused": True})))
    assert made.watch(PUBLISHED, PUBLISHED + timedelta(hours=1)) == []


def test_a_schedule_that_no_scheduler_has_taken_up_is_overdue() -> None:
    made = Installation()
    (alert,) = made.watch(PUBLISHED, PUBLISHED + timedelta(seconds=60))
    assert alert.text == (
        "no scheduler has taken up `nightly` of p@1, which was to fire first at"
        " 2026-11-25 02:30:00 UTC: no scheduler runs; start one: farandole keep-time"
    )


def test_other_times_that_no_scheduler_has_taken_up_are_overdue() -> None:
    second = version(2, nightly=NIGHTLY.model_copy(update={"cron": "* * * * *"}))
    made = Installation(version(), second)
    made.write(row())
    (alert,) = made.watch(PUBLISHED, PUBLISHED + timedelta(seconds=60))
    assert "no scheduler has taken up `nightly` of p@2" in alert.text


def test_a_version_that_changes_no_times_needs_no_other_row() -> None:
    second = version(2, nightly=NIGHTLY.model_copy(update={"description": "reads the feeds"}))
    made = Installation(version(), second)
    made.write(row())
    assert made.watch(PUBLISHED, PUBLISHED + timedelta(hours=1)) == []


def test_a_schedule_that_nobody_has_resumed_for_a_minute_is_overdue() -> None:
    made = Installation(version(nightly=NIGHTLY.model_copy(update={"paused": True})))
    made.write(row(paused=True, due=None))
    made.say(PLANNED, paused=False)
    (alert,) = made.watch(PLANNED, PLANNED + timedelta(seconds=60))
    assert alert.text.startswith("no scheduler has taken up that `nightly` is paused no more")
    assert "2026-11-26 02:30:00 UTC" in alert.text


def test_a_resumed_schedule_has_its_time_from_then_on() -> None:
    made = Installation()
    made.write(row())
    until = PLANNED + timedelta(hours=1)
    made.say(PLANNED - timedelta(hours=1), paused=True, until=until)
    assert made.watch(PLANNED, until + timedelta(seconds=25)) == []
    assert states(made.watch(until, until + timedelta(seconds=60))) == [(KEY, "firing")]


def test_a_flood_is_a_few_alerts_and_one_that_counts_the_others() -> None:
    names = [f"s{number:03}" for number in range(500)]
    made = Installation(version(1, **dict.fromkeys(names, NIGHTLY)))
    made.write(*(row(schedule=name) for name in names))
    alerts = made.watch(PLANNED, PLANNED + timedelta(seconds=60))
    assert len(alerts) == MAX_NAMED + 1
    assert [each.schedule for each in alerts[:2]] == ["s000", "s001"]
    assert alerts[-1].key == "p/overdue"
    assert "480 more schedules are overdue: `s020`, `s021`" in alerts[-1].text


def test_the_alert_of_a_schedule_that_is_gone_is_resolved() -> None:
    made = Installation()
    made.write(row())
    made.watch(PLANNED, PLANNED + timedelta(minutes=5))
    made.table = TopologyTable(versions=(version(2, other=NIGHTLY),))
    assert (KEY, "resolved") in states(made.look(PLANNED + timedelta(minutes=6)))


def test_a_row_that_has_not_changed_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = list[bytes]()
    parse = parse_schedule_row

    def count(value: bytes) -> ScheduleRow:
        parsed.append(value)
        return parse(value)

    monkeypatch.setattr("farandole.ledger.overdue_schedules.parse_schedule_row", count)
    made = Installation(version(1, nightly=NIGHTLY, other=NIGHTLY))
    made.write(row(), row(schedule="other"))
    made.look(PUBLISHED)
    made.write(row(due=None))
    made.look(PUBLISHED)
    assert len(parsed) == 3


def test_a_row_that_no_scheduler_wrote_counts_as_none() -> None:
    made = Installation()
    made.rows = {row().key: b"[]", b"schedule/p": b"{}", b"alert/x": b"{}"}
    (alert,) = made.watch(PUBLISHED, PUBLISHED + timedelta(seconds=60))
    assert "no scheduler has taken up" in alert.text
