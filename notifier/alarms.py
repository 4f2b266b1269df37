"""What does an alert tell the notifier?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from farandole.events.alert import Alert
from farandole.events.display import in_one_line
from farandole.events.fingerprint import LONGEST_TITLE, fingerprint
from farandole.events.record import Record
from farandole.notifier.letters import time_of

log = structlog.get_logger()

LONGEST_TEXT = 300  # characters
LANES = 1_000
"""Of one stage that are told apart; `topology.yaml` allows no more partitions."""
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alert, as far as the incident that it belongs to is concerned."""

    pipeline: str
    stage: str
    """Empty: of the whole pipeline."""
    run: str
    lane: int | None
    """None: it is of no lane alone. The alerts of a stage's lanes have one fingerprint."""
    error: str
    """The alert's kind."""
    title: str
    text: str
    fingerprint: str
    firing: bool
    since: datetime
    time: datetime
    record: Record

    @classmethod
    def read(cls, record: Record, now: datetime) -> Alarm | None:
        """None of what is no alert. One that says that it is of a later time is of now."""
        try:
            alert = Alert.model_validate_json(record.value or b"")
        except ValidationError:
            log.warning("alert.foreign", topic=record.topic, offset=record.offset)
            return None
        time = time_of(record.timestamp, now)
        text = in_one_line(alert.text[:LONGEST_TEXT])
        stage = _name(alert.stage)
        lane = alert.lane if stage and alert.lane in range(LANES) else None
        since = alert.since if alert.since.tzinfo else alert.since.replace(tzinfo=UTC)
        return cls(
            pipeline=_name(alert.pipeline),
            stage=stage,
            run=_name(alert.run),
            lane=lane,
            error=alert.kind,
            title=text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…",
            text=text,
            fingerprint=fingerprint(stage, alert.kind, alert.key if lane is None else "lanes"),
            firing=alert.state == "firing",
            since=min(since, time),
            time=time,
            record=record,
        )


def _name(name: str | None) -> str:
    return in_one_line((name or "")[:_LONGEST_NAME])
