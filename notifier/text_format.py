"""How are texts cut to size and times written, in mails and webhook posts?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.number_format import grouped
from farandole.events.safe_text import escape_harmful, single_line

_MAX_NAME_BYTES = 80


def clip_text(text: str, size: int) -> str:
    """Return the text with harmful characters escaped, in at most `size` bytes of UTF-8. If it is
    cut, it ends with the original length."""
    # The text is also cut before it is escaped, because escaping 10 MB would be slow.
    clean = escape_harmful(text[:size])
    encoded = clean.encode()
    if len(text) <= size and len(encoded) <= size:
        return clean
    kept = encoded[: size - 40].decode(errors="ignore")
    return f"{kept} […of {grouped(len(text))} characters]"


def clip_line(text: str, size: int = _MAX_NAME_BYTES) -> str:
    """Return the text as one line that is safe to print, in at most `size` bytes of UTF-8."""
    clean = single_line(text[:size])
    if len(text) <= size and len(clean.encode()) <= size:
        return clean
    return clean.encode()[: size - 3].decode(errors="ignore").rstrip() + "…"


def short_utc(when: datetime, now: datetime) -> str:
    """Return the time in UTC: `12:03`, or with the day, `24 Nov, 12:03`, if it is not today."""
    when, now = when.astimezone(UTC), now.astimezone(UTC)
    if when.date() == now.date():
        return f"{when:%H:%M}"
    day = f"{when.day} {when:%b}" if when.year == now.year else f"{when.day} {when:%b} {when.year}"
    return f"{day}, {when:%H:%M}"
