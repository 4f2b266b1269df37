"""Schedules and times for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from farandole.events.schedule_spec import ScheduleSpec


def spec(cron: str | None = None, zone: str = "UTC", **fields: Any) -> ScheduleSpec:
    """Return a schedule."""
    return ScheduleSpec(triggers="note.sent", cron=cron, zone=zone, **fields)


def utc(text: str) -> datetime:
    """Return an instant: `2026-03-29 01:00`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
