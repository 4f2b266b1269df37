"""What does an alert tell the notifier?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from events.alert import Alert
from events.display import in_one_line
from events.fingerprint import LONGEST_TITLE, fingerprint
from events.record import Record
from notifier.letters import time_of

log = structlog.get_logger()

LONGEST_TEXT = 300  # characters
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alert, as far as the incident that it belongs to is concerned."""

    pipeline: str
    stage: str
    """Empty: of the whole pipeline."""
    run: str
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
        since = alert.since if alert.since.tzinfo else alert.since.replace(tzinfo=UTC)
        return cls(
            pipeline=_name(alert.pipeline),
            stage=stage,
            run=_name(alert.run),
            error=alert.kind,
            title=text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…",
            text=text,
            fingerprint=fingerprint(stage, alert.kind, alert.key),
            firing=alert.state == "firing",
            since=min(since, time),
            time=time,
            record=record,
        )


def _name(name: str | None) -> str:
    return in_one_line((name or "")[:_LONGEST_NAME])
