"""How is a notice written as a mail (RFC 5322): headers, threading, size?"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from farandole.events.incident_record import Incident, NoticeKind
from farandole.notifier.incident_text import incident_title
from farandole.notifier.mail_addresses import address_domain, is_plain_address
from farandole.notifier.mail_layout import Head, MailPart, Paragraph, render_html, render_text
from farandole.notifier.mail_text import KIND_COLORS, mail_parts
from farandole.notifier.text_format import clip_text

MAX_MAIL_BYTES = 100_000
"""The most bytes of a mail with any content."""
MAX_NAMED_RECIPIENTS = 30
"""If there are more recipients, the mail names none."""

_POLICY = SMTP.clone(max_line_length=76)  # quoted-printable does not allow longer lines


def compose_mail(
    incident: Incident,
    kind: NoticeKind,
    number: int,
    *,
    sender: str,
    recipients: Sequence[str],
    commands: Sequence[tuple[str, str]] = (),
    others: Sequence[Incident] = (),
    meanwhile: Sequence[Incident] = (),
    note: str = "",
    now: datetime,
) -> tuple[str, str]:
    """Return the subject and the mail, in ASCII with lines that end in CRLF. The same arguments
    give the same mail.

    `number` counts an incident's notices from 0. `commands` are pairs (purpose, command line).
    `others` are incidents that the mail lists as well, `meanwhile` those that were opened since all
    was as usual last; `note` says why these people get it. Raises ValueError if `sender` is no
    plain address. A recipient that is no plain address is not named in the mail.
    """
    title = incident_title(incident)
    subject = f"Re: {title}" if number else title
    mail = _new_message(sender, recipients, now, notice_message_id(incident.id, number, sender))
    if number:
        last = f"<{notice_message_id(incident.id, number - 1, sender)}>"
        root = f"<{notice_message_id(incident.id, 0, sender)}>"
        mail["In-Reply-To"] = last
        mail["References"] = root if root == last else f"{root} {last}"
    mail["List-Id"] = f"<{_list_label(incident)}.{_sender_domain(sender)}>"
    mail["X-Farandole-Incident"] = _safe_token(incident.id)
    mail["X-Farandole-Kind"] = kind
    mail["X-Farandole-Severity"] = incident.effective_severity
    if incident.effective_severity == "page" and kind != "resolved":
        mail["Importance"] = "high"
    content = list(mail_parts(incident, kind, commands, others, now, meanwhile, note))
    return subject, _render_message(mail, subject, content)


def compose_test_mail(
    *, sender: str, recipient: str, paragraphs: Sequence[str], now: datetime, message_id: str
) -> str:
    """Return a mail that proves to its recipient that mails arrive."""
    subject = "Farandole can write to you"
    mail = _new_message(sender, [recipient], now, message_id)
    parts: list[MailPart] = [Head(f"{subject}: this is a test", KIND_COLORS["resolved"])]
    return _render_message(
        mail, subject, [*parts, *(Paragraph(clip_text(each, 500)) for each in paragraphs[:10])]
    )


def notice_message_id(incident: str, number: int, sender: str) -> str:
    """Return the Message-ID without brackets. It is the same for each copy of a notice."""
    return f"{_safe_token(incident)}.{number}@{_sender_domain(sender)}"


def named_recipients(mail: str) -> tuple[str, ...]:
    """Return the addresses in the To header of a mail from this module; empty if they were too many
    to be named."""
    head, _, _ = mail.partition("\r\n\r\n")
    found = re.search(r"^To: ([^\r]*(?:\r\n[ \t][^\r]*)*)", head, re.MULTILINE)
    words = re.split(r"[\s,]+", found[1].strip()) if found else []
    return tuple(address for address in words if is_plain_address(address))


def _new_message(
    sender: str, recipients: Sequence[str], now: datetime, message_id: str
) -> EmailMessage:
    if not is_plain_address(sender):
        raise ValueError(f"{sender!r} is not an address like farandole@example.com")
    mail = EmailMessage(_POLICY)
    mail["From"] = f"Farandole <{sender}>"
    named = [address for address in recipients if is_plain_address(address)]
    mail["To"] = (
        ", ".join(named) if 0 < len(named) <= MAX_NAMED_RECIPIENTS else "undisclosed-recipients:;"
    )
    mail["Date"] = now
    mail["Message-ID"] = f"<{message_id}>"
    # By RFC 3834, vacation programs do not answer to this; Exchange has another header for that. No
    # `Precedence`: it was never standardised, and some servers deliver `bulk` last.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    return mail


def _render_message(mail: EmailMessage, subject: str, parts: Sequence[MailPart]) -> str:
    mail.set_content(render_text(parts), cte="quoted-printable")
    mail.add_alternative(render_html(parts), subtype="html", cte="quoted-printable")
    # Python would take a random boundary. `=_` cannot occur in quoted-printable text.
    mail.set_boundary(f"=_{hashlib.sha256(mail['Message-ID'].encode()).hexdigest()[:32]}")
    # Python loses spaces when it folds a subject that is not ASCII.
    return f"Subject: {_fold_subject(subject)}\r\n{mail.as_bytes().decode('ascii')}"


def _fold_subject(subject: str) -> str:
    """Return the subject in encoded words of at most 75 characters (RFC 2047) if it is not
    ASCII."""
    if subject.isascii():
        lines = textwrap.wrap(subject, 66, break_long_words=False, break_on_hyphens=False)
        return "\r\n ".join(lines)
    start = "Re: " if subject.startswith("Re: ") else ""
    encoded, rest = [], subject.removeprefix(start).encode()
    while rest:
        chunk = rest[:42].decode(errors="ignore").encode()
        encoded.append(f"=?utf-8?b?{base64.b64encode(chunk).decode()}?=")
        rest = rest[len(chunk) :]
    return start + "\r\n ".join(encoded)


def _safe_token(text: str) -> str:
    """Return the text with other characters than letters, digits and `-` replaced."""
    return re.sub(r"[^A-Za-z0-9-]", "-", text)[:26] or "-"


def _sender_domain(sender: str) -> str:
    """Return the sender's domain, cut at the beginning so that it fits in a header's line. Python
    would encode a line that it cannot fold."""
    domain = address_domain(sender)
    while len(domain) > 36 and domain.count(".") > 1:
        domain = domain.partition(".")[2]
    return domain[-36:].lstrip("-.")


def _list_label(incident: Incident) -> str:
    """Return the label of the List-Id header (RFC 2919): pipeline and stage. Mail programs can sort
    by it."""
    full = f"{incident.pipeline}.{incident.stage}" if incident.stage else incident.pipeline
    clean = re.sub(r"\.\.+", ".", re.sub(r"[^A-Za-z0-9.-]", "-", full)).strip(".")
    if clean == full and len(full) <= 34:
        return clean
    digest = hashlib.sha256(full.encode(errors="replace")).hexdigest()[:8]
    return f"{clean[:24].strip('.')}-{digest}"
