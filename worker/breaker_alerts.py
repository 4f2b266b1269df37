"""Which alerts and rows are written when a lane's breaker opens or closes?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from farandole.events.alert_record import Alert
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.record_time import parse_row_time
from farandole.events.row_format import check_format
from farandole.worker.circuit_breaker import CircuitBreaker

BREAKER_ROW_KEY = b"held"
"""The key of the row, in the lane's partition of the retry topic, that keeps the state of its
breaker. From it the next owner of the lane restores an open breaker, sends no second alert, and
knows which events waited for the dependency."""


class BreakerRow(NamedTuple):
    """The state of a lane's breaker, as it is written in its row."""

    since: datetime
    """When it opened."""
    reason: str = ""
    """The last failure: of the try after which it opened, or of a later probe."""
    closed: datetime | None = None
    """None while it is open."""


def read_breaker_row(value: bytes | None) -> BreakerRow | None:
    """Return the state in a row; None if there is no row, or none that a lane wrote. Raises
    NewerFormatError."""
    try:
        row = orjson.loads(value or b"")
        check_format("breaker row", row)
        closed = row.get("over")
        return BreakerRow(
            parse_row_time(row["since"]),
            str(row.get("why", "")),
            None if closed is None else parse_row_time(closed),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class BreakerAlerts:
    """The alerts of one lane: one when its breaker opens, one when it closes."""

    def __init__(
        self, breaker: CircuitBreaker, pipeline: str, stage: str, retry_partition: Partition
    ) -> None:
        self._breaker = breaker
        self._pipeline = pipeline
        self._stage = stage
        self._lane = retry_partition.partition
        self._reported_since: datetime | None = None
        """When the breaker opened, according to the last alert; None if that alert was resolved."""
        self._written_reason = ""

    def restore(self, rows: Mapping[bytes, bytes], now: float) -> None:
        """Set the breaker to the state in the committed rows of the lane."""
        row = read_breaker_row(rows.get(BREAKER_ROW_KEY))
        self._reported_since = row.since if row and not row.closed else None
        self._written_reason = row.reason if row else ""
        self._breaker.reset(row.closed.timestamp() if row and row.closed else 0.0)
        if self._reported_since is not None:
            self._breaker.open(now)

    def pending_row(self, last_failure: str) -> OutgoingRecord | None:
        """Return the row to write because a probe of the open breaker has failed in another way
        than the row says; None otherwise. Nobody is alerted again."""
        since = self._reported_since
        if since is None or not last_failure or last_failure == self._written_reason:
            return None
        return self._open_row(since, last_failure)

    def pending_alert(self, now: float, last_failure: str) -> tuple[Alert, OutgoingRecord] | None:
        """Return the alert that is to be sent, and the row to write with it; None if the breaker is
        as the last alert says."""
        if self._breaker.is_open == (self._reported_since is not None):
            return None
        if self._breaker.is_open:
            since = self._reported_since = datetime.fromtimestamp(now, UTC)
            text = (
                f"`{self._stage}` holds its input: too many of its tries fail, the last one with"
                f" {last_failure}; it goes on by itself once one succeeds"
            )
            return self._alert(text, since, "firing"), self._open_row(since, last_failure)
        assert self._reported_since is not None
        since, self._reported_since = self._reported_since, None
        closed = datetime.fromtimestamp(now, UTC)
        row = orjson.dumps({"since": since.isoformat(), "over": closed.isoformat()})
        text = f"`{self._stage}` takes its input again"
        return self._alert(text, since, "resolved"), OutgoingRecord(BREAKER_ROW_KEY, row)

    def _open_row(self, since: datetime, reason: str) -> OutgoingRecord:
        self._written_reason = reason
        row = orjson.dumps({"since": since.isoformat(), "why": reason})
        return OutgoingRecord(BREAKER_ROW_KEY, row)

    def _alert(self, text: str, since: datetime, state: str) -> Alert:
        return Alert.model_validate(
            {
                "kind": "stage.held",
                "key": f"{self._pipeline}/stage/{self._stage}/held/{self._lane}",
                "pipeline": self._pipeline,
                "stage": self._stage,
                "lane": self._lane,
                "text": text,
                "since": since,
                "state": state,
            }
        )
