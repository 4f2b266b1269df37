"""From when on may people be told of an incident?

These functions are pure. Only the time of day matters: what has happened is decided elsewhere.
"""

from __future__ import annotations

from datetime import datetime

from farandole.events.daily_window import ClockError, DailyTime, parse_daily_time
from farandole.events.incident_record import Incident
from farandole.events.topology_version import AlertPolicy


def held_until(incident: Incident, policy: AlertPolicy, now: datetime) -> datetime | None:
    """Return until when people are not told of an incident, because it waits for a digest; None if
    they may be told now."""
    if incident.effective_severity == "digest":
        return incident.due if now < incident.due else None
    return None


def next_digest(policy: AlertPolicy, after: datetime) -> datetime:
    """Return when the next digest after a time is sent."""
    return min(time.next_after(after) for time in _digest_times(policy))


def _digest_times(policy: AlertPolicy) -> list[DailyTime]:
    """Return the times of `digest_at`. A zone that this machine's database does not have is read as
    UTC: a digest at another hour is better than none."""
    found = []
    for written in policy.digest_at:
        try:
            found.append(parse_daily_time(written))
        except ClockError:
            found.append(parse_daily_time("09:00 UTC"))
    return found
