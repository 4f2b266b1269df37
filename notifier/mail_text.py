"""Which text does the mail of a notice have?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from farandole.events.incident_record import Incident, IncidentSample, NoticeKind
from farandole.events.number_format import grouped
from farandole.events.time_format import utc_timestamp
from farandole.notifier.incident_text import incident_headline, incident_title
from farandole.notifier.mail_layout import (
    FactTable,
    Head,
    Heading,
    MailPart,
    Paragraph,
    Preformatted,
)
from farandole.notifier.text_format import clip_line, clip_text, short_utc

# In bytes of UTF-8. The two encoded bodies take up to eight times as many, so these limits keep a
# mail below MAX_MAIL_BYTES.
_MAX_TITLE = 300
_MAX_MESSAGE = 600
_MAX_DATA = 1200
_MAX_KEY = 160
_MAX_FACT = 500
_MAX_COMMAND = 900
_MAX_COMMANDS = 2400

_SAMPLES = 2
_OTHERS = 10
KIND_COLORS = {"opened": "#d1242f", "growing": "#d97706", "resolved": "#2da44e"}


def mail_parts(
    incident: Incident,
    kind: NoticeKind,
    commands: Sequence[tuple[str, str]],
    others: Sequence[Incident],
    now: datetime,
    meanwhile: Sequence[Incident] = (),
    note: str = "",
) -> Iterator[MailPart]:
    """Yield the parts of a mail: headline, facts, samples, commands, other incidents.

    `commands` are pairs (purpose, command line); `others` are incidents that the mail lists too,
    `meanwhile` those that were opened since all was as usual last; `note` says why these people get
    it."""
    yield Head(f"{incident_headline(incident, kind, now)}.", KIND_COLORS[kind])
    if note:
        yield Paragraph(clip_line(note))
    if incident.firing is None:
        yield Paragraph(
            clip_line(f"{clip_line(incident.error)}: {incident.title[:_MAX_TITLE]}", _MAX_TITLE)
        )
    yield FactTable(list(_fact_rows(incident)))
    if incident.facts and kind != "resolved":
        yield FactTable([(clip_line(name), clip_line(t, _MAX_FACT)) for name, t in incident.facts])
    if meanwhile and kind != "resolved":
        yield Heading("Opened since it was last as usual")
        yield from _incident_lines(meanwhile, now)
    if kind != "resolved":
        for index, sample in enumerate(incident.samples[:_SAMPLES]):
            is_only = len(incident.samples) == 1
            heading = "One of them" if is_only else ("The first one", "The newest one")[index]
            yield from _sample_parts(sample, heading)
    if commands:
        yield Heading("What to do" if kind != "resolved" else "To look back")
        yield from _command_parts(commands)
    if others:
        is_digest = incident.effective_severity == "digest"
        yield Heading("Also in this digest" if is_digest else "Also failing")
        yield from _incident_lines(others, now)
    yield Paragraph("Sent by Farandole to those whom `alerts:` in topology.yaml names.", small=True)


def _incident_lines(incidents: Sequence[Incident], now: datetime) -> Iterator[MailPart]:
    for each in incidents[:_OTHERS]:
        since = short_utc(each.opened, now)
        over = f", over since {short_utc(each.resolved, now)}" if each.resolved else ""
        yield Paragraph(f"{incident_title(each)} ({grouped(each.count)} since {since} UTC{over})")
    if len(incidents) > _OTHERS:
        yield Paragraph(f"and {grouped(len(incidents) - _OTHERS)} more")


def _fact_rows(incident: Incident) -> Iterator[tuple[str, str]]:
    """Yield the rows of the table of facts: name, value."""
    yield "pipeline", clip_line(incident.pipeline)
    if incident.firing is not None:
        yield "alert", clip_line(incident.error)
    if incident.stage or incident.firing is None:
        yield "stage", clip_line(incident.stage)
    if incident.run:
        yield "run", clip_line(incident.run)
    if incident.schedule:
        yield "schedule", clip_line(incident.schedule)
    if incident.firing is None:
        yield "version", clip_line(incident.version)
    yield "first" if incident.firing is None else "since", utc_timestamp(incident.opened)
    if incident.firing is None or incident.count > 1:
        yield "last", utc_timestamp(incident.last)
    if incident.resolved:
        yield "over", utc_timestamp(incident.resolved)
    yield "severity", incident.effective_severity
    yield "incident", clip_line(incident.id)
    if incident.acknowledged_by:
        yield "taken by", clip_line(incident.acknowledged_by)


def _sample_parts(sample: IncidentSample, heading: str) -> Iterator[MailPart]:
    yield Heading(heading)
    yield Preformatted(clip_text(sample.message, _MAX_MESSAGE))
    rows = [("failed", utc_timestamp(sample.failed))]
    rows += [("key", clip_line(sample.key, _MAX_KEY))] if sample.key is not None else []
    rows += [
        ("run", clip_line(sample.run)),
        ("event", f"{clip_line(sample.topic, _MAX_KEY)}/{sample.partition}/{sample.offset}"),
        ("dead letter", f"{clip_line(sample.dead_topic, _MAX_KEY)}/0/{sample.dead_offset}"),
    ]
    yield FactTable(rows)
    yield Preformatted(clip_text(sample.data, _MAX_DATA))


def _command_parts(commands: Sequence[tuple[str, str]]) -> Iterator[MailPart]:
    """Yield the commands that fit into the limit of bytes, and how many more there are."""
    space = _MAX_COMMANDS
    for index, (purpose, command) in enumerate(commands):
        # A command that is cut would do something else, so it is shown whole or not at all.
        clean = clip_text(command, _MAX_COMMAND)
        size = len(clean.encode()) + 80
        if size > space:
            yield Paragraph(f"and {grouped(len(commands) - index)} more")
            return
        space -= size
        if len(command.encode(errors="replace")) > _MAX_COMMAND:
            clean = f"(a command of {grouped(len(command))} characters, too long for a mail)"
        yield Preformatted(clean, clip_line(purpose))
