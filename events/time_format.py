"""How are durations and times written for a person?"""

from __future__ import annotations

from datetime import UTC, datetime

_DURATION_UNITS = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0))


def format_duration(seconds: float) -> str:
    """Return a duration as topology files write it: `200ms`, `30s`, `7d`."""
    for unit, length in _DURATION_UNITS:
        if seconds and seconds % length == 0:
            return f"{int(seconds / length)}{unit}"
    return f"{seconds:g}s" if seconds >= 1 or not seconds else f"{seconds * 1000:g}ms"


def format_elapsed(seconds: float) -> str:
    """Return `12 ms`, `3.4 s`, `34 s`, `3 min 05 s`, `2 h 07 min` or `5 d 03 h`."""
    if seconds < 0.9995:
        return f"{max(0, seconds) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02} h"


def format_short_elapsed(seconds: float) -> str:
    """Return as `format_elapsed`, but with microseconds and tenths of a millisecond below 0.1 s."""
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.09995 else format_elapsed(seconds)


def format_timestamp(when: datetime) -> str:
    """Return `2026-11-24 10:00:00`, in UTC, which the text does not say."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def format_timestamp_ms(milliseconds: int) -> str:
    """Return `2026-11-24 10:00:00` for milliseconds of the epoch, in UTC."""
    return format_timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC))


def utc_timestamp(when: datetime) -> str:
    """Return `2026-11-24 10:00:00 UTC`."""
    return f"{format_timestamp(when)} UTC"


def format_recent(when: datetime, now: datetime | None = None) -> str:
    """Return `10:00:00` for a time of today, and else as `format_timestamp`; in UTC. `now` is the
    current time if it is not given."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    if when.astimezone(UTC).date() == today:
        return f"{when.astimezone(UTC):%H:%M:%S}"
    return format_timestamp(when)


def format_recent_ms(milliseconds: int, now: datetime | None = None) -> str:
    """Return as `format_recent`, for milliseconds of the epoch."""
    return format_recent(datetime.fromtimestamp(milliseconds / 1000, UTC), now)


def format_day_time(when: datetime) -> str:
    """Return `11-24 10:00:00`, in UTC: for tables of the last days."""
    return f"{when.astimezone(UTC):%m-%d %H:%M:%S}"
