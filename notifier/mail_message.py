"""Which mail is written of an incident?"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple

from farandole.events.incident_record import Incident, IncidentSample, NoticeKind
from farandole.notifier.mail_addresses import address_domain, is_plain_address
from farandole.notifier.mail_layout import (
    FactTable,
    Head,
    Heading,
    MailPart,
    Paragraph,
    Preformatted,
)
from farandole.notifier.mail_layout import render_html as as_html
from farandole.notifier.mail_layout import render_text as as_text
from farandole.notifier.text_format import (
    clip_line,
    clip_text,
    incident_headline,
    incident_title,
    short_utc,
    utc_timestamp,
)

MAX_MAIL_BYTES = 100_000
"""Bytes that no mail exceeds, whatever is in it."""
MAX_NAMED_RECIPIENTS = 30
"""Recipients beyond so many are not named in the mail."""

# Bytes of UTF-8 before they are encoded, which costs up to eight times as many in the two bodies.
_TITLE, _MESSAGE, _DATA, _KEY, _COMMAND, _COMMANDS = 300, 600, 1200, 160, 900, 2400
_SAMPLES, _OTHERS = 2, 10
_COLORS = {"opened": "#d1242f", "growing": "#d97706", "resolved": "#2da44e"}
_POLICY = SMTP.clone(max_line_length=76)  # quoted-printable allows no more


class MailCommand(NamedTuple):
    """What a person can type, and what for."""

    what: str
    text: str


def compose_mail(
    incident: Incident,
    kind: NoticeKind,
    number: int,
    *,
    sender: str,
    recipients: Sequence[str],
    commands: Sequence[tuple[str, str]] = (),
    others: Sequence[Incident] = (),
    now: datetime,
) -> tuple[str, str]:
    """The subject, and the mail: RFC 5322, lines end in CRLF, ASCII. The same arguments give the
    same mail.

    `number` counts an incident's notices from 0; `incident.told` is the count that was told before;
    `commands` are pairs (what for, command), `others` incidents that are told in passing. `sender`
    is a plain address (ValueError if not); recipients that are none are not named.
    """
    first = incident_title(incident)
    subject = f"Re: {first}" if number else first
    mail = _new_message(sender, recipients, now, notice_message_id(incident.id, number, sender))
    if number:
        last = f"<{notice_message_id(incident.id, number - 1, sender)}>"
        root = f"<{notice_message_id(incident.id, 0, sender)}>"
        mail["In-Reply-To"] = last
        mail["References"] = root if root == last else f"{root} {last}"
    mail["List-Id"] = f"<{_list_label(incident)}.{_sender_domain(sender)}>"
    mail["X-Farandole-Incident"] = _safe_token(incident.id)
    mail["X-Farandole-Kind"] = kind
    content = list(_mail_parts(incident, kind, commands, others, now))
    return subject, _render_message(mail, subject, content)


def compose_test_mail(
    *, sender: str, recipient: str, words: Sequence[str], now: datetime, message_id: str
) -> str:
    """A mail that asks for nothing but to be seen."""
    subject = "Farandole can write to you"
    mail = _new_message(sender, [recipient], now, message_id)
    parts: list[MailPart] = [Head(f"{subject}: this is a test", _COLORS["resolved"])]
    return _render_message(
        mail, subject, [*parts, *(Paragraph(clip_text(each, 500)) for each in words[:10])]
    )


def notice_message_id(incident: str, number: int, sender: str) -> str:
    """The Message-ID without its brackets: the same for each copy of a notice."""
    return f"{_safe_token(incident)}.{number}@{_sender_domain(sender)}"


def named_recipients(mail: str) -> tuple[str, ...]:
    """Whom a mail that was written here is addressed to; none if they are too many."""
    head, _, _ = mail.partition("\r\n\r\n")
    found = re.search(r"^To: ([^\r]*(?:\r\n[ \t][^\r]*)*)", head, re.MULTILINE)
    each = re.split(r"[\s,]+", found[1].strip()) if found else []
    return tuple(address for address in each if is_plain_address(address))


def _mail_parts(
    incident: Incident,
    kind: NoticeKind,
    commands: Sequence[tuple[str, str]],
    others: Sequence[Incident],
    now: datetime,
) -> Iterator[MailPart]:
    yield Head(f"{incident_headline(incident, kind, now)}.", _COLORS[kind])
    if incident.firing is None:
        yield Paragraph(
            clip_line(f"{clip_line(incident.error)}: {incident.title[:_TITLE]}", _TITLE)
        )
    yield FactTable(list(_fact_rows(incident)))
    if kind != "resolved":
        for index, sample in enumerate(incident.samples[:_SAMPLES]):
            alone = len(incident.samples) == 1
            which = "One of them" if alone else ("The first one", "The newest one")[index]
            yield from _sample_parts(sample, which)
    if commands:
        yield Heading("What to do" if kind != "resolved" else "To look back")
        yield from _command_parts(commands)
    if others:
        yield Heading("Also failing")
        for other in others[:_OTHERS]:
            since = short_utc(other.opened, now)
            yield Paragraph(f"{incident_title(other)} ({other.count:,} since {since} UTC)")
        if len(others) > _OTHERS:
            yield Paragraph(f"and {len(others) - _OTHERS:,} more")
    yield Paragraph("Sent by Farandole to those whom `alerts:` in topology.yaml names.", quiet=True)


def _fact_rows(incident: Incident) -> Iterator[tuple[str, str]]:
    yield "pipeline", clip_line(incident.pipeline)
    if incident.firing is not None:
        yield "alert", clip_line(incident.error)
    if incident.stage or incident.firing is None:
        yield "stage", clip_line(incident.stage)
    if incident.run:
        yield "run", clip_line(incident.run)
    if incident.firing is None:
        yield "version", clip_line(incident.version)
    yield "first" if incident.firing is None else "since", utc_timestamp(incident.opened)
    if incident.firing is None or incident.count > 1:
        yield "last", utc_timestamp(incident.last)
    if incident.resolved:
        yield "over", utc_timestamp(incident.resolved)
    yield "incident", clip_line(incident.id)
    if incident.acknowledged_by:
        yield "taken by", clip_line(incident.acknowledged_by)


def _sample_parts(sample: IncidentSample, which: str) -> Iterator[MailPart]:
    yield Heading(which)
    yield Preformatted(clip_text(sample.message, _MESSAGE))
    rows = [("failed", utc_timestamp(sample.failed))]
    rows += [("key", clip_line(sample.key, _KEY))] if sample.key is not None else []
    rows += [
        ("run", clip_line(sample.run)),
        ("event", f"{clip_line(sample.topic, _KEY)}/{sample.partition}/{sample.offset}"),
        ("dead letter", f"{clip_line(sample.dead_topic, _KEY)}/0/{sample.dead_offset}"),
    ]
    yield FactTable(rows)
    yield Preformatted(clip_text(sample.data, _DATA))


def _command_parts(commands: Sequence[tuple[str, str]]) -> Iterator[MailPart]:
    left = _COMMANDS
    for index, (what, command) in enumerate(commands):
        # A command that is cut would do something else: it is whole, or not there.
        clean = clip_text(command, _COMMAND)
        size = len(clean.encode()) + 80
        if size > left:
            yield Paragraph(f"and {len(commands) - index:,} more")
            return
        left -= size
        if len(command.encode(errors="replace")) > _COMMAND:
            clean = f"(a command of {len(command):,} characters, too long for a mail)"
        yield Preformatted(clean, clip_line(what))


def _new_message(
    sender: str, recipients: Sequence[str], now: datetime, message_id: str
) -> EmailMessage:
    if not is_plain_address(sender):
        raise ValueError(f"{sender!r} is not an address like farandole@example.com")
    mail = EmailMessage(_POLICY)
    mail["From"] = f"Farandole <{sender}>"
    shown = [address for address in recipients if is_plain_address(address)]
    mail["To"] = (
        ", ".join(shown) if 0 < len(shown) <= MAX_NAMED_RECIPIENTS else "undisclosed-recipients:;"
    )
    mail["Date"] = now
    mail["Message-ID"] = f"<{message_id}>"
    # RFC 3834: no vacation notice answers it; Exchange has a word of its own. No `Precedence`: it
    # was never standardised, and some servers put `bulk` behind everything else.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    return mail


def _render_message(mail: EmailMessage, subject: str, parts: Sequence[MailPart]) -> str:
    mail.set_content(as_text(parts), cte="quoted-printable")
    mail.add_alternative(as_html(parts), subtype="html", cte="quoted-printable")
    # Python's would be random. `=_` stands in no quoted-printable text.
    mail.set_boundary(f"=_{hashlib.sha256(mail['Message-ID'].encode()).hexdigest()[:32]}")
    # Python folds a subject that is not ASCII so that spaces are lost.
    return f"Subject: {_fold_subject(subject)}\r\n{mail.as_bytes().decode('ascii')}"


def _fold_subject(subject: str) -> str:
    """RFC 2047, each encoded word of at most 75 characters; single spaces are kept."""
    if subject.isascii():
        lines = textwrap.wrap(subject, 66, break_long_words=False, break_on_hyphens=False)
        return "\r\n ".join(lines)
    start = "Re: " if subject.startswith("Re: ") else ""
    words, rest = [], subject.removeprefix(start).encode()
    while rest:
        some = rest[:42].decode(errors="ignore").encode()
        words.append(f"=?utf-8?b?{base64.b64encode(some).decode()}?=")
        rest = rest[len(some) :]
    return start + "\r\n ".join(words)


def _safe_token(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", text)[:26] or "-"


def _sender_domain(sender: str) -> str:
    """The sender's, or as much of its end as keeps a header's line short enough: Python would
    encode what it cannot fold."""
    found = address_domain(sender)
    while len(found) > 36 and found.count(".") > 1:
        found = found.partition(".")[2]
    return found[-36:].lstrip("-.")


def _list_label(incident: Incident) -> str:
    """What a mail program sorts by (RFC 2919): pipeline and stage."""
    full = f"{incident.pipeline}.{incident.stage}" if incident.stage else incident.pipeline
    clean = re.sub(r"\.\.+", ".", re.sub(r"[^A-Za-z0-9.-]", "-", full)).strip(".")
    if clean == full and len(full) <= 34:
        return clean
    digest = hashlib.sha256(full.encode(errors="replace")).hexdigest()[:8]
    return f"{clean[:24].strip('.')}-{digest}"
