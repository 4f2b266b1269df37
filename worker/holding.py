"""Who hears that a lane holds its input, and that it takes it again?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from events.alert import Alert
from events.record import Outgoing
from lanes.port import Partition
from worker.breaker import Breaker

HELD = b"held"
"""The row in the lane's partition of the retry topic while its breaker is open: who takes the lane
over goes on holding, and tells nobody twice."""


def held(value: bytes | None) -> tuple[datetime, str] | None:
    """Since when a lane holds, and why, from its row; None where there is none of our making."""
    try:
        said = orjson.loads(value or b"")
        since = datetime.fromisoformat(said["since"])
        return since if since.tzinfo else since.replace(tzinfo=UTC), str(said.get("why", ""))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class Holding:
    """The alerts of one lane: one when its breaker opens, one when it closes."""

    def __init__(self, breaker: Breaker, pipeline: str, stage: str, place: Partition) -> None:
        self._breaker = breaker
        self._pipeline = pipeline
        self._stage = stage
        self._place = place
        self._since: datetime | None = None
        """Of what was told."""

    def restored(self, rows: Mapping[bytes, bytes], now: float) -> None:
        """Begin with what was committed."""
        self._breaker.begin()
        said = held(rows.get(HELD))
        self._since = said[0] if said else None
        if said:
            self._breaker.opened(now)

    def news(self, now: float, why: str) -> tuple[Alert, Outgoing] | None:
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
            return self._alert(text, since, "firing"), Outgoing(HELD, row)
        assert self._since is not None
        since, self._since = self._since, None
        text = f"`{self._stage}` takes its input again"
        return self._alert(text, since, "resolved"), Outgoing(HELD, None)

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
