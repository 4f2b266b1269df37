"""Which alert does a run raise that is not complete in time?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.alert_record import Alert
from farandole.events.run_row import RunRow, in_flight
from farandole.ledger.run_completion import completion_deadline


def firing_alert(row: RunRow) -> Alert:
    """Return the alert for a run that is open after its deadline."""
    root = row["root"]
    assert root is not None
    waiting = sorted(name for name, edge in row["edges"].items() if in_flight(edge))
    in_flight_text = f"; in flight: {', '.join(waiting[:5])}" if waiting else ""
    text = f"run {row['run']} is not complete within {root.get('within', 0):g} s{in_flight_text}"
    return _build_alert(row, text, "firing")


def resolved_alert(row: RunRow) -> Alert:
    """Return the alert that resolves the one of a late run, which is complete, or deleted."""
    if row["closed"] is None:
        return _build_alert(
            row, f"run {row['run']} is forgotten, and was never complete", "resolved"
        )
    seconds = (row["closed"] - row["opened"]) / 1000
    return _build_alert(
        row, f"run {row['run']} is {row['status']}, after {seconds:,.0f} s", "resolved"
    )


def _build_alert(row: RunRow, text: str, state: str) -> Alert:
    since = completion_deadline(row) or row["opened"]
    return Alert.model_validate(
        {
            "kind": "run.late",
            "key": f"{row['pipeline']}/run/{row['run']}",
            "pipeline": row["pipeline"],
            "run": row["run"],
            "text": text,
            "since": datetime.fromtimestamp(since / 1000, UTC),
            "state": state,
        }
    )
