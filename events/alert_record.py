"""What does the record of an alert in `farandole.alerts` look like?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from farandole.events.envelope import constant_headers
from farandole.events.header_codec import encode_headers
from farandole.events.record import OutgoingRecord
from farandole.events.record_time import RowTime
from farandole.events.row_format import check_json_format
from farandole.events.row_model import RowModel

AlertKind = Literal[
    "run.late", "stage.unworked", "stage.age", "stage.held", "stage.parked", "stage.full",
    "stage.lost", "topic.changed", "ledger.lags", "control.unread", "control.unfit",
    "switch.ended", "schedule.overdue", "schedule.failed", "schedule.unread", "schedule.unknown",
    "schedule.partial", "scheduler.clock", "scheduler.tzdata", "check.failed",
    "gate.failed", "data.unusual",
]  # fmt: skip


class Alert(RowModel):
    """The value of a record in `farandole.alerts` with the key `key`. Each change of its state is
    one record."""

    kind: AlertKind
    key: str
    """The same for the alert that fires and the one that resolves it: `order-lines/run/RUN`,
    `order-lines/stage/enrich/age`, `order-lines/ledger`, `order-lines/schedule/nightly/overdue`."""
    pipeline: str
    stage: str | None = None
    run: str | None = None
    schedule: str | None = None
    lane: int | None = None
    """The lane, if the alert is about one lane of the stage; else None. People see one alert for a
    stage."""
    text: str
    event: str | None = None
    """The event type whose data it is about."""
    facts: tuple[tuple[str, str], ...] = ()
    """What else people are to know, each with its name."""
    usual_until: RowTime | None = None
    """When the last run ended that was as usual: what happened since then may be the cause."""
    since: RowTime
    state: Literal["firing", "resolved"]


def alert_to_record(alert: Alert, source: str, id_: bytes, written: datetime) -> OutgoingRecord:
    """Return the record in `farandole.alerts`, a CloudEvent."""
    headers = constant_headers(source, f"alert.{alert.state}", written)
    return OutgoingRecord(
        alert.key.encode(),
        alert.model_dump_json().encode(),
        encode_headers([*headers, ("ce_id", id_)]),
    )


def parse_alert(value: bytes) -> Alert:
    """Return the alert in a record. Raises NewerFormatError, and pydantic's ValidationError if no
    service of ours wrote it."""
    check_json_format("alert", value)
    return Alert.model_validate_json(value)
