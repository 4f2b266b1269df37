"""What does the notifier need to know about an alert?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import ValidationError

from farandole.events.alert_record import parse_alert
from farandole.events.failure_fingerprint import MAX_TITLE_LENGTH, failure_fingerprint
from farandole.events.record import Record
from farandole.events.record_time import past_time
from farandole.events.row_format import NewerFormatError
from farandole.events.safe_text import single_line

log = structlog.get_logger()

MAX_ALERT_TEXT = 300  # characters
MAX_ALERT_LANES = 1_000
"""A lane number beyond this is ignored; `topology.yaml` allows no more partitions."""
MAX_FACTS = 8
_MAX_FACT_LENGTH = 500  # characters
_MAX_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert: the fields that its incident needs."""

    pipeline: str
    stage: str
    """Empty if the alert is about the whole pipeline."""
    run: str
    schedule: str
    lane: int | None
    """None if the alert is not about a single lane. The alerts of a stage's lanes share one
    fingerprint."""
    error: str
    """The alert's kind."""
    title: str
    text: str
    fingerprint: str
    facts: tuple[tuple[str, str], ...]
    """What else people are to know, each with its name."""
    usual_until: datetime | None
    """When all was as usual last; None if that is not known."""
    firing: bool
    since: datetime
    time: datetime
    record: Record

    @classmethod
    def from_record(cls, record: Record, now: datetime) -> AlertView | None:
        """Return the alert in a record. None if the record is not an alert, which is logged as a
        warning. A time after `now` is replaced by `now`."""
        try:
            alert = parse_alert(record.value or b"")
        except ValidationError:
            log.warning("alert.foreign", topic=record.topic, offset=record.offset)
            return None
        except NewerFormatError as error:
            # Anyone may write an alert; all other notices must not wait for the upgrade.
            log.error("alert.newer", topic=record.topic, offset=record.offset, why=str(error))
            return None
        time = past_time(record.timestamp, now)
        text = single_line(alert.text[:MAX_ALERT_TEXT])
        stage = _clean_name(alert.stage)
        lane = alert.lane if stage and alert.lane in range(MAX_ALERT_LANES) else None
        return cls(
            pipeline=_clean_name(alert.pipeline),
            stage=stage,
            run=_clean_name(alert.run),
            schedule=_clean_name(alert.schedule),
            lane=lane,
            error=alert.kind,
            title=text if len(text) <= MAX_TITLE_LENGTH else f"{text[: MAX_TITLE_LENGTH - 1]}…",
            text=text,
            fingerprint=failure_fingerprint(
                stage, alert.kind, alert.key if lane is None else "lanes"
            ),
            facts=tuple(
                (_clean_name(name), single_line(fact[:_MAX_FACT_LENGTH]))
                for name, fact in alert.facts[:MAX_FACTS]
            ),
            usual_until=None if alert.usual_until is None else min(alert.usual_until, time),
            firing=alert.state == "firing",
            since=min(alert.since, time),
            time=time,
            record=record,
        )


def _clean_name(name: str | None) -> str:
    return single_line((name or "")[:_MAX_NAME_LENGTH])
