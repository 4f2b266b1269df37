"""How are mails caught on this machine, instead of being sent into the world?"""

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
from farandole.notifier.text_format import clip_line

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_CAUGHT_BYTES = 10_000_000
"""Bytes; a larger mail is refused."""

_HEAD = 65_536  # bytes of a file that are read for its headers
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\d+)-.*\.eml")
_STAMP = "%Y%m%dT%H%M%SZ"


class CatcherAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A mail in the folder; its texts are harmless lines."""

    received: datetime
    to: tuple[str, ...]
    """Those whom the envelope named, be they in its headers or not."""
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
    """A mail server that keeps what it gets as files in `folder`, and sends nothing on; port 0: any
    that is free. Each file is whole as soon as it is there, and is there before the sender hears
    250. Raises MissingExtraError, and OSError where the address or the
    folder cannot be had."""
    require_extra("local", "the mail catcher", "aiosmtpd")
    catcher = _Catcher(folder, on_mail, count(_open_folder(folder) + 1))
    server = await asyncio.get_running_loop().create_server(catcher.session, host, port)
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
    """What is in the folder, the newest last. Raises OSError."""
    files = sorted(file for file in folder.glob("*.eml") if _NAME.fullmatch(file.name))
    return [_read_caught(file) for file in files]


@dataclass(slots=True)
class _Catcher:
    folder: Path
    on_mail: Callable[[CaughtMail], None]
    numbers: count[int]
    sessions: list[SMTP] = field(default_factory=list)

    def session(self) -> SMTP:
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
            mail = await asyncio.to_thread(self._keep, number, to, envelope.content)
        except OSError as error:
            return f"452 4.3.1 the mail cannot be kept: {error.strerror}"
        self.on_mail(mail)
        return f"250 2.0.0 caught as {mail.file.name}"

    def _keep(self, number: int, to: list[str], content: bytes) -> CaughtMail:
        # The envelope is not in the mail: it is kept above its headers.
        kept = (
            "".join(f"X-Envelope-To: {clip_line(each, 254)}\r\n" for each in to).encode() + content
        )
        received = datetime.now(UTC)
        words = (
            re.sub(r"[^a-z0-9]+", "-", _decoded_subject(kept).lower()).strip("-")[:60].strip("-")
        )
        name = f"{received:{_STAMP}}-{number:04}-{words or 'mail'}.eml"
        unfinished = self.folder / f".{name}.part"
        unfinished.write_bytes(kept)
        os.replace(unfinished, self.folder / name)
        return _read_caught(self.folder / name)


def _read_caught(file: Path) -> CaughtMail:
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    found = _NAME.fullmatch(file.name)
    assert found is not None
    mail = message_from_bytes(head)
    return CaughtMail(
        datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC),
        tuple(clip_line(str(to)) for to in mail.get_all("X-Envelope-To", [])),
        _decoded_subject(head),
        clip_line(str(mail.get("Message-ID", "")), 200),
        file,
    )


def _decoded_subject(head: bytes) -> str:
    given = str(message_from_bytes(head[:_HEAD]).get("Subject", ""))
    try:
        decoded = str(make_header(decode_header(given)))
    except (HeaderParseError, LookupError, ValueError):
        decoded = given
    return clip_line(decoded, 200)


def _open_folder(folder: Path) -> int:
    """Make the folder; the highest number that is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    found = (_NAME.fullmatch(file.name) for file in folder.glob("*.eml"))
    return max((int(each[2]) for each in found if each), default=0)
