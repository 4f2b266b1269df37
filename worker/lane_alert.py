"""Is an alert of a lane firing, and what is written when that changes?

The state stands in a row of the lane's partition of the retry topic, so that the next owner of the
lane sends no second alert, and resolves this one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from farandole.events.alert_record import Alert, AlertKind
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.record_time import parse_row_time


class LaneAlert:
    """One alert of one lane."""

    def __init__(
        self, kind: AlertKind, pipeline: str, stage: str, retry_partition: Partition
    ) -> None:
        self._kind = kind
        self._pipeline = pipeline
        self._stage = stage
        self._lane = retry_partition.partition
        self._row_key = f"alert/{kind}".encode()
        self.firing_since: datetime | None = None
        """None if the last alert was resolved."""

    def restore(self, rows: Mapping[bytes, bytes]) -> None:
        """Begin with the state in the committed rows of the lane."""
        self.firing_since = None
        try:
            self.firing_since = parse_row_time(orjson.loads(rows[self._row_key])["since"])
        except (KeyError, TypeError, ValueError):
            return  # there is no row, or none that a lane wrote

    def pending(self, now: float, text: str) -> tuple[Alert, OutgoingRecord] | None:
        """Return the alert that is to be sent, and the row to write with it, because it begins to
        fire with this text; None if it fires already."""
        if self.firing_since is not None:
            return None
        since = self.firing_since = datetime.fromtimestamp(now, UTC)
        row = OutgoingRecord(self._row_key, orjson.dumps({"since": since.isoformat()}))
        return self._alert(text, since, "firing"), row

    def resolved(self, text: str) -> tuple[Alert, OutgoingRecord] | None:
        """Return the alert that says, with this text, that it fires no longer, and its row; None if
        it does not fire."""
        if self.firing_since is None:
            return None
        since, self.firing_since = self.firing_since, None
        return self._alert(text, since, "resolved"), OutgoingRecord(self._row_key, None)

    def _alert(self, text: str, since: datetime, state: str) -> Alert:
        name = self._kind.partition(".")[2]
        return Alert.model_validate(
            {
                "kind": self._kind,
                "key": f"{self._pipeline}/stage/{self._stage}/{name}/{self._lane}",
                "pipeline": self._pipeline,
                "stage": self._stage,
                "lane": self._lane,
                "text": text,
                "since": since,
                "state": state,
            }
        )
