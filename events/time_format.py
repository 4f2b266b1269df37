"""How is a span of time, or a moment, written for a person?"""

from __future__ import annotations

from datetime import UTC, datetime


def format_elapsed(seconds: float) -> str:
    """`12 ms`, `3.4 s`, `3 min 05 s`, `2 h 07 min`, `5 d 03 h`."""
    if seconds < 0.9995:
        return f"{max(0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02} h"


def format_timestamp_ms(milliseconds: int) -> str:
    """`2026-11-24 10:00:00`, UTC."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
