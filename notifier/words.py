"""What is said of an incident, be it in a mail or in a post?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.display import harmless, in_one_line
from farandole.events.incident import Incident, Kind
from farandole.events.ranges import ranges

_SUBJECT = 160  # bytes: no mail program shows more
_NAME = 80
_SAID = 300


def cut(text: str, size: int) -> str:
    """The text without harm, in at most `size` bytes of UTF-8, with a word of what is left out."""
    # Cut before it is cleaned as well: a text of 10 MB is not read whole.
    clean = harmless(text[:size])
    encoded = clean.encode()
    if len(text) <= size and len(encoded) <= size:
        return clean
    kept = encoded[: size - 40].decode(errors="ignore")
    return f"{kept} […of {len(text):,} characters]"


def line(text: str, size: int = _NAME) -> str:
    """As `cut`, in one line."""
    clean = in_one_line(text[:size])
    if len(text) <= size and len(clean.encode()) <= size:
        return clean
    return clean.encode()[: size - 3].decode(errors="ignore").rstrip() + "…"


def headline(incident: Incident, kind: Kind, now: datetime) -> str:
    """The first line: how many, where, since when. `incident.told` is the count that was told
    before."""
    if incident.firing is not None:
        return _alarm(incident, incident.firing, kind, now)
    died = f"{_events(incident.count)} died in {line(incident.stage)}"
    since = moment(incident.opened, now)
    if kind == "resolved":
        last = moment(incident.last, now)
        return f"Over: {died} between {since} and {last} UTC"
    if kind == "growing" and 0 < incident.told < incident.count:
        more = incident.count - incident.told
        return f"{died} since {since} UTC, {more:,} of them since the last notice"
    return f"{died} since {since} UTC"


def title(incident: Incident) -> str:
    """One line that stays the same for as long as the incident lasts, and is safe as a subject."""
    if incident.firing is not None:
        place = f" {line(incident.stage)}:" if incident.stage else ""
        said = line(f"[{line(incident.pipeline)}]{place} {incident.title}", _SUBJECT)
    else:
        what = f"[{line(incident.pipeline)}] {line(incident.stage)}: {line(incident.error)}"
        said = line(f"{what}: {incident.title[:_SUBJECT]}" if incident.title else what, _SUBJECT)
    # A mail program would decode it, to whatever stands in it.
    return said.replace("=?", "= ?")


def lanes_of(incident: Incident) -> str:
    """`lane 3`, `lanes 0-3, 7`; of very many, the first ones."""
    many = "lane" if len(incident.lanes) == 1 else "lanes"
    return line(f"{many} {ranges(incident.lanes)}")


def moment(when: datetime, now: datetime) -> str:
    """`12:03`, with the day where it is not today's; in UTC."""
    when, now = when.astimezone(UTC), now.astimezone(UTC)
    if when.date() == now.date():
        return f"{when:%H:%M}"
    day = f"{when.day} {when:%b}" if when.year == now.year else f"{when.day} {when:%b} {when.year}"
    return f"{day}, {when:%H:%M}"


def exactly(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _alarm(incident: Incident, firing: int, kind: Kind, now: datetime) -> str:
    since = f"since {moment(incident.opened, now)} UTC"
    if incident.count > 1:
        last = line(incident.said, _SUBJECT)
        left = "none of them is left" if kind == "resolved" else f"{firing:,} are not over"
        return f"{incident.count:,} more alerts {since}, {left}; the last: {last}"
    if kind == "resolved":
        return f"Over: {line(incident.said, _SAID)} (it was told {since})"
    lanes = f"{lanes_of(incident)}, " if incident.lanes else ""
    return f"{line(incident.said, _SAID)} ({lanes}{since})"


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"
