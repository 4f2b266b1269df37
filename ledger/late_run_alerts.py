"""Which alert does a run raise if it is not complete in time?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.alert_record import Alert
from farandole.events.record_time import MAX_TIME_MS
from farandole.events.run_row import RunRow
from farandole.ledger.alert_text import late_run_resolved_text, late_run_text
from farandole.ledger.run_completion import completion_deadline


def firing_alert(row: RunRow) -> Alert:
    """Return the alert for a run that is open after its deadline."""
    return _build_alert(row, late_run_text(row), "firing")


def resolved_alert(row: RunRow) -> Alert:
    """Return the alert that resolves the one of a late run, which is complete, or deleted."""
    return _build_alert(row, late_run_resolved_text(row), "resolved")


def _build_alert(row: RunRow, text: str, state: str) -> Alert:
    since = min(completion_deadline(row) or row["opened"], MAX_TIME_MS)
    return Alert.model_validate(
        {
            "kind": "run.late",
            "key": f"{row['pipeline']}/run/{row['run']}",
            "pipeline": row["pipeline"],
            "run": row["run"],
            "schedule": None if row["root"] is None else row["root"].get("schedule"),
            "text": text,
            "since": datetime.fromtimestamp(since / 1000, UTC),
            "state": state,
        }
    )
