"""Which instant does a person mean?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.record_time import to_milliseconds
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.time_format import utc_timestamp
from farandole.operations.errors import InvalidRequestError
from farandole.scheduler.local_time import parse_instant
from farandole.scheduler.time_zones import load_zone

_EXAMPLE = "2026-11-24T02:30, or with an offset: 2026-11-24T01:30Z"


def parse_planned_time(text: str, spec: ScheduleSpec) -> datetime:
    """Return the instant of a date, or a date and time, in UTC: a local time of the schedule's
    zone, if it has no offset. Raises InvalidRequestError."""
    try:
        time = parse_instant(text, load_zone(spec.zone))
        to_milliseconds(time)
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            "invalid_request", f"{text!r} is no time; write {_EXAMPLE}"
        ) from None
    return time


def both_times(spec: ScheduleSpec, time: datetime) -> str:
    """Return `2026-11-24 02:30:00 Europe/Paris (2026-11-24 01:30:00 UTC)`; a time of a schedule in
    UTC once."""
    utc = utc_timestamp(time)
    if spec.zone == "UTC":
        return utc
    try:
        local = time.astimezone(load_zone(spec.zone))
    except ValueError:  # this machine does not know the zone
        return utc
    return f"{local:%Y-%m-%d %H:%M:%S} {spec.zone} ({utc})"


def now_in_seconds() -> datetime:
    """Return the current second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)
