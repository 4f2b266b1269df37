"""Who hears that a lane holds its input, and that it takes it again?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from farandole.events.alert_record import Alert
from farandole.events.record import OutgoingRecord, Partition
from farandole.worker.circuit_breaker import CircuitBreaker

BREAKER_ROW_KEY = b"held"
"""The row in the lane's partition of the retry topic once its breaker has been open: who takes the
lane over goes on holding, tells nobody twice, and knows what waited for the dependency."""


class BreakerRow(NamedTuple):
    """That a lane holds its input, as its row says it."""

    since: datetime
    why: str = ""
    over: datetime | None = None
    """None: it holds."""


def read_breaker_row(value: bytes | None) -> BreakerRow | None:
    """From its row; None where there is none of our making."""
    try:
        said = orjson.loads(value or b"")
        over = said.get("over")
        return BreakerRow(
            _parse_moment(said["since"]), str(said.get("why", "")), over and _parse_moment(over)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class BreakerAlerts:
    """The alerts of one lane: one when its breaker opens, one when it closes."""

    def __init__(
        self, breaker: CircuitBreaker, pipeline: str, stage: str, place: Partition
    ) -> None:
        self._breaker = breaker
        self._pipeline = pipeline
        self._stage = stage
        self._place = place
        self._since: datetime | None = None
        """Of what was told."""

    def restored(self, rows: Mapping[bytes, bytes], now: float) -> None:
        """Begin with what was committed."""
        said = read_breaker_row(rows.get(BREAKER_ROW_KEY))
        self._since = said.since if said and not said.over else None
        self._breaker.begin(said.over.timestamp() if said and said.over else 0.0)
        if self._since is not None:
            self._breaker.opened(now)

    def news(self, now: float, why: str) -> tuple[Alert, OutgoingRecord] | None:
        """The alert that is to be written now, and the row beside it; `why`: the last failure."""
        if self._breaker.open == (self._since is not None):
            return None
        if self._breaker.open:
            since = self._since = datetime.fromtimestamp(now, UTC)
            text = (
                f"`{self._stage}` holds its input: too many of its tries fail, the last one with"
                f" {why}; it goes on by itself once one succeeds"
            )
            row = orjson.dumps({"since": since.isoformat(), "why": why})
            return self._alert(text, since, "firing"), OutgoingRecord(BREAKER_ROW_KEY, row)
        assert self._since is not None
        since, self._since = self._since, None
        over = datetime.fromtimestamp(now, UTC)
        row = orjson.dumps({"since": since.isoformat(), "over": over.isoformat()})
        text = f"`{self._stage}` takes its input again"
        return self._alert(text, since, "resolved"), OutgoingRecord(BREAKER_ROW_KEY, row)

    def _alert(self, text: str, since: datetime, state: str) -> Alert:
        return Alert.model_validate(
            {
                "kind": "stage.held",
                "key": f"{self._pipeline}/stage/{self._stage}/held/{self._place.partition}",
                "pipeline": self._pipeline,
                "stage": self._stage,
                "lane": self._place.partition,
                "text": text,
                "since": since,
                "state": state,
            }
        )


def _parse_moment(said: str) -> datetime:
    moment = datetime.fromisoformat(said)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
