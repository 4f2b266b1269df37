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

from farandole.events.incident import Incident, Kind, Sample
from farandole.notifier.addresses import domain, plain
from farandole.notifier.layout import Facts, Head, Heading, Part, Verbatim, Words
from farandole.notifier.layout import html as as_html
from farandole.notifier.layout import plain as as_text
from farandole.notifier.words import cut, exactly, headline, line, moment, title

LARGEST = 100_000
"""Bytes that no mail exceeds, whatever is in it."""
NAMED = 30
"""Recipients beyond so many are not named in the mail."""

# Bytes of UTF-8 before they are encoded, which costs up to eight times as many in the two bodies.
_TITLE, _MESSAGE, _DATA, _KEY, _COMMAND, _COMMANDS = 300, 600, 1200, 160, 900, 2400
_SAMPLES, _OTHERS = 2, 10
_COLORS = {"opened": "#d1242f", "growing": "#d97706", "resolved": "#2da44e"}
_POLICY = SMTP.clone(max_line_length=76)  # quoted-printable allows no more


class Command(NamedTuple):
    """What a person can type, and what for."""

    what: str
    text: str


def written(
    incident: Incident,
    kind: Kind,
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
    first = title(incident)
    subject = f"Re: {first}" if number else first
    mail = _addressed(sender, recipients, now, identity(incident.id, number, sender))
    if number:
        last = f"<{identity(incident.id, number - 1, sender)}>"
        root = f"<{identity(incident.id, 0, sender)}>"
        mail["In-Reply-To"] = last
        mail["References"] = root if root == last else f"{root} {last}"
    mail["List-Id"] = f"<{_label(incident)}.{_domain(sender)}>"
    mail["X-Farandole-Incident"] = _token(incident.id)
    mail["X-Farandole-Kind"] = kind
    content = list(_content(incident, kind, commands, others, now))
    return subject, _finished(mail, subject, content)


def trial(*, sender: str, recipient: str, words: Sequence[str], now: datetime, id: str) -> str:  # noqa: A002 -- as a notice has it
    """A mail that asks for nothing but to be seen."""
    subject = "Farandole can write to you"
    mail = _addressed(sender, [recipient], now, id)
    parts: list[Part] = [Head(f"{subject}: this is a test", _COLORS["resolved"])]
    return _finished(mail, subject, [*parts, *(Words(cut(each, 500)) for each in words[:10])])


def identity(incident: str, number: int, sender: str) -> str:
    """The Message-ID without its brackets: the same for each copy of a notice."""
    return f"{_token(incident)}.{number}@{_domain(sender)}"


def named(mail: str) -> tuple[str, ...]:
    """Whom a mail that was written here is addressed to; none if they are too many."""
    head, _, _ = mail.partition("\r\n\r\n")
    found = re.search(r"^To: ([^\r]*(?:\r\n[ \t][^\r]*)*)", head, re.MULTILINE)
    each = re.split(r"[\s,]+", found[1].strip()) if found else []
    return tuple(address for address in each if plain(address))


def _content(
    incident: Incident,
    kind: Kind,
    commands: Sequence[tuple[str, str]],
    others: Sequence[Incident],
    now: datetime,
) -> Iterator[Part]:
    yield Head(f"{headline(incident, kind, now)}.", _COLORS[kind])
    if incident.firing is None:
        yield Words(line(f"{line(incident.error)}: {incident.title[:_TITLE]}", _TITLE))
    yield Facts(list(_facts(incident)))
    if kind != "resolved":
        for index, sample in enumerate(incident.samples[:_SAMPLES]):
            alone = len(incident.samples) == 1
            which = "One of them" if alone else ("The first one", "The newest one")[index]
            yield from _sample(sample, which)
    if commands:
        yield Heading("What to do" if kind != "resolved" else "To look back")
        yield from _commands(commands)
    if others:
        yield Heading("Also failing")
        for other in others[:_OTHERS]:
            since = moment(other.opened, now)
            yield Words(f"{title(other)} ({other.count:,} since {since} UTC)")
        if len(others) > _OTHERS:
            yield Words(f"and {len(others) - _OTHERS:,} more")
    yield Words("Sent by Farandole to those whom `alerts:` in topology.yaml names.", quiet=True)


def _facts(incident: Incident) -> Iterator[tuple[str, str]]:
    yield "pipeline", line(incident.pipeline)
    if incident.firing is not None:
        yield "alert", line(incident.error)
    if incident.stage or incident.firing is None:
        yield "stage", line(incident.stage)
    if incident.run:
        yield "run", line(incident.run)
    if incident.firing is None:
        yield "version", line(incident.version)
    yield "first" if incident.firing is None else "since", exactly(incident.opened)
    if incident.firing is None or incident.count > 1:
        yield "last", exactly(incident.last)
    if incident.resolved:
        yield "over", exactly(incident.resolved)
    yield "incident", line(incident.id)
    if incident.acknowledged_by:
        yield "taken by", line(incident.acknowledged_by)


def _sample(sample: Sample, which: str) -> Iterator[Part]:
    yield Heading(which)
    yield Verbatim(cut(sample.message, _MESSAGE))
    rows = [("failed", exactly(sample.failed))]
    rows += [("key", line(sample.key, _KEY))] if sample.key is not None else []
    rows += [
        ("run", line(sample.run)),
        ("event", f"{line(sample.topic, _KEY)}/{sample.partition}/{sample.offset}"),
        ("dead letter", f"{line(sample.dead_topic, _KEY)}/0/{sample.dead_offset}"),
    ]
    yield Facts(rows)
    yield Verbatim(cut(sample.data, _DATA))


def _commands(commands: Sequence[tuple[str, str]]) -> Iterator[Part]:
    left = _COMMANDS
    for index, (what, command) in enumerate(commands):
        # A command that is cut would do something else: it is whole, or not there.
        clean = cut(command, _COMMAND)
        size = len(clean.encode()) + 80
        if size > left:
            yield Words(f"and {len(commands) - index:,} more")
            return
        left -= size
        if len(command.encode(errors="replace")) > _COMMAND:
            clean = f"(a command of {len(command):,} characters, too long for a mail)"
        yield Verbatim(clean, line(what))


def _addressed(
    sender: str, recipients: Sequence[str], now: datetime, message_id: str
) -> EmailMessage:
    if not plain(sender):
        raise ValueError(f"{sender!r} is not an address like farandole@example.com")
    mail = EmailMessage(_POLICY)
    mail["From"] = f"Farandole <{sender}>"
    shown = [address for address in recipients if plain(address)]
    mail["To"] = ", ".join(shown) if 0 < len(shown) <= NAMED else "undisclosed-recipients:;"
    mail["Date"] = now
    mail["Message-ID"] = f"<{message_id}>"
    # RFC 3834: no vacation notice answers it; Exchange has a word of its own. No `Precedence`: it
    # was never standardised, and some servers put `bulk` behind everything else.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    return mail


def _finished(mail: EmailMessage, subject: str, parts: Sequence[Part]) -> str:
    mail.set_content(as_text(parts), cte="quoted-printable")
    mail.add_alternative(as_html(parts), subtype="html", cte="quoted-printable")
    # Python's would be random. `=_` stands in no quoted-printable text.
    mail.set_boundary(f"=_{hashlib.sha256(mail['Message-ID'].encode()).hexdigest()[:32]}")
    # Python folds a subject that is not ASCII so that spaces are lost.
    return f"Subject: {_folded(subject)}\r\n{mail.as_bytes().decode('ascii')}"


def _folded(subject: str) -> str:
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


def _token(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", text)[:26] or "-"


def _domain(sender: str) -> str:
    """The sender's, or as much of its end as keeps a header's line short enough: Python would
    encode what it cannot fold."""
    found = domain(sender)
    while len(found) > 36 and found.count(".") > 1:
        found = found.partition(".")[2]
    return found[-36:].lstrip("-.")


def _label(incident: Incident) -> str:
    """What a mail program sorts by (RFC 2919): pipeline and stage."""
    full = f"{incident.pipeline}.{incident.stage}" if incident.stage else incident.pipeline
    clean = re.sub(r"\.\.+", ".", re.sub(r"[^A-Za-z0-9.-]", "-", full)).strip(".")
    if clean == full and len(full) <= 34:
        return clean
    digest = hashlib.sha256(full.encode(errors="replace")).hexdigest()[:8]
    return f"{clean[:24].strip('.')}-{digest}"
