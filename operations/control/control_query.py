"""What is asked of the running system, and how is that said?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.control_documents import (
    PauseDocument,
    TimedDocument,
    parse_control_or_none,
    pause_in_force,
)
from farandole.events.safe_text import single_line
from farandole.notifier.text_format import utc_timestamp


async def read_control_state(settings: Settings) -> dict[bytes, TimedDocument]:
    """The documents in `farandole.control` by their keys, as they stand in the log. Raises
    BrokerError."""
    found: dict[bytes, TimedDocument] = {}
    async for records in scan(settings, [settings.names.control_topic]):
        for record in records:
            if record.key is None:
                continue
            found.pop(record.key, None)
            control = parse_control_or_none(record.value or b"")
            if control is not None:
                at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                found[record.key] = TimedDocument(control, at)
    return found


def active_pauses(
    found: Mapping[bytes, TimedDocument], pipeline: str, stages: Iterable[str], now: datetime
) -> dict[str, TimedDocument]:
    """By stage of those that are paused, what pauses it."""
    said = [*found.values()]
    held = {stage: pause_in_force(said, pipeline, stage, now) for stage in stages}
    return {stage: why for stage, why in held.items() if why is not None}


def pause_data(said: TimedDocument) -> dict[str, Any]:
    """A pause as `--json` prints it."""
    control = said.control
    assert isinstance(control, PauseDocument)
    whole = not control.stage
    return {"by": control.by, "since": said.at, "until": control.until, "pipeline": whole}


def pause_text(pause: Mapping[str, Any]) -> str:
    """`paused by ann since 2026-11-24 12:00:00 UTC until 2026-11-24 14:00:00 UTC`."""
    by = f" by {single_line(pause['by'])}" if pause["by"] else ""
    whole = " with the whole pipeline" if pause["pipeline"] else ""
    until = f" until {utc_timestamp(pause['until'])}" if pause["until"] else ""
    return f"paused{whole}{by} since {utc_timestamp(pause['since'])}{until}"
