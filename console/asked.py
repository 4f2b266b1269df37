"""What is asked of the running system, and how is that said?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from farandole.broker.settings import Settings
from farandole.broker.tables import scan
from farandole.events.control import Pause, Said, paused, understood
from farandole.events.display import in_one_line
from farandole.notifier.words import exactly


async def asked(settings: Settings) -> dict[bytes, Said]:
    """The documents in `farandole.control` by their keys, as they stand in the log. Raises
    BrokerError."""
    found: dict[bytes, Said] = {}
    async for records in scan(settings, [settings.names.control]):
        for record in records:
            if record.key is None:
                continue
            found.pop(record.key, None)
            control = understood(record.value or b"")
            if control is not None:
                at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                found[record.key] = Said(control, at)
    return found


def pauses(
    found: Mapping[bytes, Said], pipeline: str, stages: Iterable[str], now: datetime
) -> dict[str, Said]:
    """By stage of those that are paused, what pauses it."""
    said = [*found.values()]
    held = {stage: paused(said, pipeline, stage, now) for stage in stages}
    return {stage: why for stage, why in held.items() if why is not None}


def plain(said: Said) -> dict[str, Any]:
    """A pause as `--json` prints it."""
    control = said.control
    assert isinstance(control, Pause)
    whole = not control.stage
    return {"by": control.by, "since": said.at, "until": control.until, "pipeline": whole}


def words(pause: Mapping[str, Any]) -> str:
    """`paused by ann since 2026-11-24 12:00:00 UTC until 2026-11-24 14:00:00 UTC`."""
    by = f" by {in_one_line(pause['by'])}" if pause["by"] else ""
    whole = " with the whole pipeline" if pause["pipeline"] else ""
    until = f" until {exactly(pause['until'])}" if pause["until"] else ""
    return f"paused{whole}{by} since {exactly(pause['since'])}{until}"
