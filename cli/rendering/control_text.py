"""How is a pause written as text?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from farandole.events.safe_text import single_line
from farandole.events.time_format import utc_timestamp

if TYPE_CHECKING:
    from farandole.operations.control.control_query import PauseState


def pause_text(pause: PauseState) -> str:
    """Return `paused by ann since 2026-11-24 12:00:00 UTC until 2026-11-24 14:00:00 UTC`."""
    by = f" by {single_line(pause.by)}" if pause.by else ""
    whole = " with the whole pipeline" if pause.pipeline else ""
    until = f" until {utc_timestamp(pause.until)}" if pause.until else ""
    return f"paused{whole}{by} since {utc_timestamp(pause.since)}{until}"
