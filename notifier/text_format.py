"""What is said of an incident, be it in a mail or in a post?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.incident_record import Incident, NoticeKind
from farandole.events.number_ranges import format_ranges
from farandole.events.safe_text import escape_harmful, single_line

_MAX_SUBJECT_BYTES = 160  # bytes: no mail program shows more
_MAX_NAME_BYTES = 80
_MAX_ALERT_BYTES = 300


def clip_text(text: str, size: int) -> str:
    """The text without harm, in at most `size` bytes of UTF-8, with a word of what is left out."""
    # Cut before it is cleaned as well: a text of 10 MB is not read whole.
    clean = escape_harmful(text[:size])
    encoded = clean.encode()
    if len(text) <= size and len(encoded) <= size:
        return clean
    kept = encoded[: size - 40].decode(errors="ignore")
    return f"{kept} […of {len(text):,} characters]"


def clip_line(text: str, size: int = _MAX_NAME_BYTES) -> str:
    """As `cut`, in one line."""
    clean = single_line(text[:size])
    if len(text) <= size and len(clean.encode()) <= size:
        return clean
    return clean.encode()[: size - 3].decode(errors="ignore").rstrip() + "…"


def incident_headline(incident: Incident, kind: NoticeKind, now: datetime) -> str:
    """The first line: how many, where, since when. `incident.told` is the count that was told
    before."""
    if incident.firing is not None:
        return _alert_headline(incident, incident.firing, kind, now)
    died = f"{_events_text(incident.count)} died in {clip_line(incident.stage)}"
    since = short_utc(incident.opened, now)
    if kind == "resolved":
        last = short_utc(incident.last, now)
        return f"Over: {died} between {since} and {last} UTC"
    if kind == "growing" and 0 < incident.told < incident.count:
        more = incident.count - incident.told
        return f"{died} since {since} UTC, {more:,} of them since the last notice"
    return f"{died} since {since} UTC"


def incident_title(incident: Incident) -> str:
    """One line that stays the same for as long as the incident lasts, and is safe as a subject."""
    if incident.firing is not None:
        place = f" {clip_line(incident.stage)}:" if incident.stage else ""
        said = clip_line(
            f"[{clip_line(incident.pipeline)}]{place} {incident.title}", _MAX_SUBJECT_BYTES
        )
    else:
        what = (
            f"[{clip_line(incident.pipeline)}] {clip_line(incident.stage)}: "
            f"{clip_line(incident.error)}"
        )
        said = clip_line(
            f"{what}: {incident.title[:_MAX_SUBJECT_BYTES]}" if incident.title else what,
            _MAX_SUBJECT_BYTES,
        )
    # A mail program would decode it, to whatever stands in it.
    return said.replace("=?", "= ?")


def lanes_text(incident: Incident) -> str:
    """`lane 3`, `lanes 0-3, 7`; of very many, the first ones."""
    many = "lane" if len(incident.lanes) == 1 else "lanes"
    return clip_line(f"{many} {format_ranges(incident.lanes)}")


def short_utc(when: datetime, now: datetime) -> str:
    """`12:03`, with the day where it is not today's; in UTC."""
    when, now = when.astimezone(UTC), now.astimezone(UTC)
    if when.date() == now.date():
        return f"{when:%H:%M}"
    day = f"{when.day} {when:%b}" if when.year == now.year else f"{when.day} {when:%b} {when.year}"
    return f"{day}, {when:%H:%M}"


def utc_timestamp(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _alert_headline(incident: Incident, firing: int, kind: NoticeKind, now: datetime) -> str:
    since = f"since {short_utc(incident.opened, now)} UTC"
    if incident.count > 1:
        last = clip_line(incident.said, _MAX_SUBJECT_BYTES)
        left = "none of them is left" if kind == "resolved" else f"{firing:,} are not over"
        return f"{incident.count:,} more alerts {since}, {left}; the last: {last}"
    if kind == "resolved":
        return f"Over: {clip_line(incident.said, _MAX_ALERT_BYTES)} (it was told {since})"
    lanes = f"{lanes_text(incident)}, " if incident.lanes else ""
    return f"{clip_line(incident.said, _MAX_ALERT_BYTES)} ({lanes}{since})"


def _events_text(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"
