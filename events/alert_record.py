"""What does the record of an alert in `farandole.alerts` look like?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from farandole.events.envelope import constant_headers
from farandole.events.header_codec import encode_headers
from farandole.events.record import OutgoingRecord
from farandole.events.record_time import RowTime
from farandole.events.row_format import check_json_format

AlertKind = Literal[
    "run.late", "stage.unworked", "stage.age", "stage.held", "stage.lost", "topic.changed",
    "ledger.lags",
]  # fmt: skip


class Alert(BaseModel):
    """The value of a record in `farandole.alerts` with the key `key`. Each change of its state is
    one record."""

    # Fields that a newer release has added are kept when a row is written again.
    model_config = ConfigDict(frozen=True, extra="allow")

    kind: AlertKind
    key: str
    """The same for the alert that fires and the one that resolves it: `order-lines/run/RUN`,
    `order-lines/stage/enrich/age`, `order-lines/ledger`."""
    pipeline: str
    stage: str | None = None
    run: str | None = None
    lane: int | None = None
    """The lane, if the alert is about one lane of the stage; else None. People see one alert for a
    stage."""
    text: str
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
