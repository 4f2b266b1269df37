"""From when on may people be told of an incident?

These functions are pure. Only the time of day matters: what has happened is decided elsewhere.
"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.daily_window import (
    ClockError,
    DailyTime,
    Window,
    parse_daily_time,
    parse_window,
)
from farandole.events.incident_record import Incident
from farandole.events.topology_version import AlertPolicy, AlertRoute
from farandole.notifier.alert_routing import matching_route


def held_until(incident: Incident, policy: AlertPolicy, now: datetime) -> datetime | None:
    """Return until when people are not told of an incident, because it waits for a digest or its
    route has quiet hours; None if they may be told now. Nothing delays a page."""
    severity = incident.effective_severity
    if severity == "page":
        return None
    if severity == "digest" and now < incident.due:
        return incident.due
    route = matching_route(policy, incident)
    window = None if route is None else _quiet_hours(route)
    closes = None if window is None else window.closes_at(now.timestamp())
    return None if closes is None else datetime.fromtimestamp(closes, UTC)


def _quiet_hours(route: AlertRoute) -> Window | None:
    """Return the quiet hours of a route. A zone that this machine's database does not have means
    none: people are told too early, not too late."""
    try:
        return None if route.quiet is None else parse_window(route.quiet)
    except ClockError:
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
