"""Which words describe an incident, in a mail and in a webhook post?"""

from __future__ import annotations

from datetime import datetime

from farandole.events.incident_record import Incident, NoticeKind
from farandole.events.number_format import grouped
from farandole.events.number_ranges import format_ranges
from farandole.notifier.text_format import clip_line, short_utc

_MAX_SUBJECT_BYTES = 160  # no mail program shows more
_MAX_ALERT_BYTES = 300


def incident_headline(incident: Incident, kind: NoticeKind, now: datetime) -> str:
    """Return the first line of a notice: how many events, where, since when. `incident.told` is the
    count in the notice before."""
    if incident.firing is not None:
        return _alert_headline(incident, incident.firing, kind, now)
    dead = f"{_events_text(incident.count)} died in {clip_line(incident.stage)}"
    since = short_utc(incident.opened, now)
    if kind == "resolved":
        last = short_utc(incident.last, now)
        return f"Over: {dead} between {since} and {last} UTC"
    if kind == "growing" and 0 < incident.told < incident.count:
        more = incident.count - incident.told
        return f"{dead} since {since} UTC, {grouped(more)} of them since the last notice"
    return f"{dead} since {since} UTC"


def incident_title(incident: Incident) -> str:
    """Return one line that is safe as a subject, and that does not change during the incident."""
    if incident.firing is not None:
        place = f" {clip_line(incident.stage)}:" if incident.stage else ""
        title = clip_line(
            f"[{clip_line(incident.pipeline)}]{place} {incident.title}", _MAX_SUBJECT_BYTES
        )
    else:
        label = (
            f"[{clip_line(incident.pipeline)}] {clip_line(incident.stage)}: "
            f"{clip_line(incident.error)}"
        )
        title = clip_line(
            f"{label}: {incident.title[:_MAX_SUBJECT_BYTES]}" if incident.title else label,
            _MAX_SUBJECT_BYTES,
        )
    # `=?` begins an encoded word, which a mail program would decode.
    return title.replace("=?", "= ?")


def lanes_text(incident: Incident) -> str:
    """Return `lane 3` or `lanes 0-3, 7`; the list is cut if it is long."""
    noun = "lane" if len(incident.lanes) == 1 else "lanes"
    return clip_line(f"{noun} {format_ranges(incident.lanes)}")


def _alert_headline(incident: Incident, firing: int, kind: NoticeKind, now: datetime) -> str:
    """Return the headline of an incident of alerts, of which `firing` are not resolved."""
    since = f"since {short_utc(incident.opened, now)} UTC"
    if incident.count > 1:
        last = clip_line(incident.said, _MAX_SUBJECT_BYTES)
        still = "none of them is left" if kind == "resolved" else f"{grouped(firing)} are not over"
        return f"{grouped(incident.count)} more alerts {since}, {still}; the last: {last}"
    if kind == "resolved":
        return f"Over: {clip_line(incident.said, _MAX_ALERT_BYTES)} (it was told {since})"
    lanes = f"{lanes_text(incident)}, " if incident.lanes else ""
    return f"{clip_line(incident.said, _MAX_ALERT_BYTES)} ({lanes}{since})"


def _events_text(count: int) -> str:
    return "1 event" if count == 1 else f"{grouped(count)} events"
