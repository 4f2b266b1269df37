"""Does the state of a lane keep which alerts are firing?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.alert_record import Alert
from farandole.events.firing_alerts import firing_alert_row, parse_firing_alerts

ALERT = Alert(
    kind="schedule.overdue",
    key="p/schedule/nightly/overdue",
    pipeline="p",
    schedule="nightly",
    text="late",
    since=datetime(2026, 11, 30, tzinfo=UTC),
    state="firing",
)


def test_a_firing_alert_is_read_back_from_its_row() -> None:
    row = firing_alert_row(b"alert/", ALERT)
    assert row.key == b"alert/p/schedule/nightly/overdue"
    assert row.value is not None
    assert parse_firing_alerts(b"alert/", {b"other": b"1", row.key: row.value}) == ((ALERT,), ())


def test_a_resolved_alert_leaves_no_row() -> None:
    resolved = ALERT.model_copy(update={"state": "resolved"})
    assert firing_alert_row(b"alert/", resolved).value is None


def test_rows_that_no_lane_wrote_are_told_apart() -> None:
    value = ALERT.model_dump_json().encode()
    rows = {b"alert/elsewhere": value, b"alert/p": b'{"kind": "unheard of"}'}
    assert parse_firing_alerts(b"alert/", rows) == ((), (b"alert/elsewhere", b"alert/p"))
