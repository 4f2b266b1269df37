"""How are mails caught on this machine, instead of being sent to their recipients?"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from farandole.broker.optional_packages import require_extra
from farandole.events.network_address import host_port
from farandole.notifier.text_format import clip_line

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_CAUGHT_BYTES = 10_000_000
"""A larger mail is refused."""

_HEADER_BYTES = 65_536  # how many bytes of a file are read to find the headers
_FILE_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\d+)-.*\.eml")
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"


class CatcherAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return host_port(self.host, self.port)


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A mail in the folder. All texts are single lines that are safe to print."""

    received: datetime
    to: tuple[str, ...]
    """The recipients in the envelope; the headers may name others."""
    subject: str
    message_id: str
    file: Path


@asynccontextmanager
async def serve_mail_catcher(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    on_mail: Callable[[CaughtMail], None] = lambda _: None,
) -> AsyncIterator[CatcherAddress]:
    """Run a mail server that stores each mail as a file in `folder` and forwards nothing. Yield the
    server's address; port 0 takes any free port. A file is complete when it appears, and it appears
    before the sender gets the answer 250. Raises OSError if the address or the folder cannot be
    used, and MissingExtraError."""
    require_extra("local", "the mail catcher", "aiosmtpd")
    catcher = _Catcher(folder, on_mail, count(_open_folder(folder) + 1))
    server = await asyncio.get_running_loop().create_server(catcher.new_session, host, port)
    try:
        address = server.sockets[0].getsockname()
        yield CatcherAddress(address[0], address[1])
    finally:
        server.close()
        for session in catcher.sessions:
            if session.transport is not None:
                session.transport.abort()  # type: ignore[attr-defined]  # a socket's has it
        await server.wait_closed()


def list_caught_mails(folder: Path) -> list[CaughtMail]:
    """Return the mails in the folder, the newest last. Raises OSError."""
    files = sorted(file for file in folder.glob("*.eml") if _FILE_NAME.fullmatch(file.name))
    return [_read_caught(file) for file in files]


@dataclass(slots=True)
class _Catcher:
    folder: Path
    on_mail: Callable[[CaughtMail], None]
    numbers: count[int]
    sessions: list[SMTP] = field(default_factory=list)

    def new_session(self) -> SMTP:
        """Return the protocol for a new connection."""
        from aiosmtpd.smtp import SMTP  # of the extra `local`

        self.sessions = [each for each in self.sessions if each.transport is not None]
        self.sessions.append(
            SMTP(
                self, data_size_limit=MAX_CAUGHT_BYTES, enable_SMTPUTF8=True, hostname="farandole",
                ident="mail catcher", loop=asyncio.get_running_loop(),
            )
        )  # fmt: skip
        return self.sessions[-1]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's
        assert isinstance(envelope.content, bytes)
        number, to = next(self.numbers), [str(each) for each in envelope.rcpt_tos]
        try:
            mail = await asyncio.to_thread(self._save, number, to, envelope.content)
        except OSError as error:
            return f"452 4.3.1 the mail cannot be kept: {error.strerror}"
        self.on_mail(mail)
        return f"250 2.0.0 caught as {mail.file.name}"

    def _save(self, number: int, to: list[str], content: bytes) -> CaughtMail:
        # A mail does not contain its envelope, so the recipients are stored above its headers.
        stored = (
            "".join(f"X-Envelope-To: {clip_line(each, 254)}\r\n" for each in to).encode() + content
        )
        received = datetime.now(UTC)
        slug = (
            re.sub(r"[^a-z0-9]+", "-", _decoded_subject(stored).lower()).strip("-")[:60].strip("-")
        )
        name = f"{received:{_TIME_FORMAT}}-{number:04}-{slug or 'mail'}.eml"
        unfinished = self.folder / f".{name}.part"
        unfinished.write_bytes(stored)
        os.replace(unfinished, self.folder / name)
        return _read_caught(self.folder / name)


def _read_caught(file: Path) -> CaughtMail:
    with file.open("rb") as opened:
        head = opened.read(_HEADER_BYTES)
    found = _FILE_NAME.fullmatch(file.name)
    assert found is not None
    mail = message_from_bytes(head)
    return CaughtMail(
        datetime.strptime(found[1], _TIME_FORMAT).replace(tzinfo=UTC),
        tuple(clip_line(str(to)) for to in mail.get_all("X-Envelope-To", [])),
        _decoded_subject(head),
        clip_line(str(mail.get("Message-ID", "")), 200),
        file,
    )


def _decoded_subject(head: bytes) -> str:
    raw = str(message_from_bytes(head[:_HEADER_BYTES]).get("Subject", ""))
    try:
        decoded = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError):
        decoded = raw
    return clip_line(decoded, 200)


def _open_folder(folder: Path) -> int:
    """Create the folder if need be, and return the highest number of a file in it, 0 if none."""
    folder.mkdir(parents=True, exist_ok=True)
    found = (_FILE_NAME.fullmatch(file.name) for file in folder.glob("*.eml"))
    return max((int(each[2]) for each in found if each), default=0)
