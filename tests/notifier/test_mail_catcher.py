"""Is every accepted mail stored as a complete file, and nothing else?"""

from __future__ import annotations

import asyncio
import errno
import os
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from farandole.notifier import mail_catcher
from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.mail_catcher import (
    CatcherAddress,
    CaughtMail,
    list_caught_mails,
    serve_mail_catcher,
)
from farandole.notifier.mail_message import compose_mail, notice_message_id
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.smtp_delivery import deliver_mail
from tests.notifier.made import NOW, SENDER, incident

pytestmark = pytest.mark.usefixtures("unset")

OPS = "ops@example.com"


async def send(at: CatcherAddress, mail: str, *to: str) -> DeliveryOutcome:
    settings = NotifierSettings(
        smtp_host=at.host, smtp_port=at.port, smtp_security="none", mail_from=SENDER
    )
    return await deliver_mail(settings, mail.encode(), SENDER, to or (OPS,))


def made(number: int = 0, **fields: object) -> str:
    return compose_mail(
        incident(**fields), "opened", number, sender=SENDER, recipients=[OPS], now=NOW
    )[1]


async def test_a_caught_mail_is_a_file_with_the_mail_as_sent(tmp_path: Path) -> None:
    caught: list[CaughtMail] = []
    async with serve_mail_catcher(tmp_path / "new" / "mails", on_mail=caught.append) as at:
        outcome = await send(at, made(), OPS, "hidden@example.com")
    (mail,) = caught
    assert outcome.answer == f"250 2.0.0 caught as {mail.file.name}"
    assert mail.file.name.endswith(
        "Z-0001-order-lines-validate-reject-something-was-paid-for-nothing.eml"
    )
    assert mail.to == (OPS, "hidden@example.com")
    assert mail.subject == "[order-lines] validate: Reject: something was paid for nothing"
    assert mail.message_id == f"<{notice_message_id('b2x7k4qdm5c3a', 0, SENDER)}>"
    kept = mail.file.read_bytes()
    assert kept.endswith(made().encode())
    read = message_from_bytes(kept, policy=default)
    assert read.get_all("X-Envelope-To") == [OPS, "hidden@example.com"]
    assert not read.defects


async def test_caught_mails_are_listed_the_newest_last(tmp_path: Path) -> None:
    async with serve_mail_catcher(tmp_path) as at:
        for number in range(3):
            await send(at, made(number))
    async with serve_mail_catcher(tmp_path) as at:
        await send(at, made(3))
    (tmp_path / "notes.eml").write_text("not one of ours")
    found = list_caught_mails(tmp_path)
    assert [mail.message_id for mail in found] == [
        f"<{notice_message_id('b2x7k4qdm5c3a', number, SENDER)}>" for number in range(4)
    ]
    assert [mail.file.name.split("-")[1] for mail in found] == ["0001", "0002", "0003", "0004"]


async def test_many_mails_at_once_are_all_stored(tmp_path: Path) -> None:
    async with serve_mail_catcher(tmp_path) as at:
        outcomes = await asyncio.gather(*(send(at, made(n)) for n in range(30)))
    assert all(outcome.delivered for outcome in outcomes)
    assert len({mail.message_id for mail in list_caught_mails(tmp_path)}) == 30
    assert len(os.listdir(tmp_path)) == 30


@pytest.mark.parametrize(
    "subject",
    [
        "../../etc/passwd", "\x1b[31m\u202e", "=?utf-8?q?=0D=0A=1B[31m?=", "=?nope?q?x?=", "",
        "=?utf-8?b?x?=", "ü" * 400, "a\0b",
    ],
)  # fmt: skip
async def test_a_hostile_subject_changes_neither_the_folder_nor_the_terminal(
    tmp_path: Path, subject: str
) -> None:
    async with serve_mail_catcher(tmp_path / "mails") as at:
        outcome = await send(at, f"Subject: {subject}\r\n\r\nx\r\n")
    assert outcome.delivered
    assert os.listdir(tmp_path) == ["mails"]
    (mail,) = list_caught_mails(tmp_path / "mails")
    assert len(mail.file.name) < 120
    assert not set(mail.subject) & {"\x1b", "\u202e", "\r", "\n", "\0"}


async def test_a_mail_without_any_header_is_stored(tmp_path: Path) -> None:
    async with serve_mail_catcher(tmp_path) as at:
        await send(at, "nothing but this")
    assert list_caught_mails(tmp_path)[0].file.name.endswith("-mail.eml")


async def test_a_mail_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_catcher, "MAX_CAUGHT_BYTES", 10_000)
    async with serve_mail_catcher(tmp_path) as at:
        outcome = await send(at, "x\r\n" * 10_000)
    assert "552" in outcome.refused[OPS]
    assert list_caught_mails(tmp_path) == []


async def test_a_mail_that_cannot_be_stored_is_deferred_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with serve_mail_catcher(tmp_path) as at:
        monkeypatch.setattr(os, "replace", full)
        outcome = await send(at, made())
    assert "452 4.3.1" in outcome.deferred[OPS]
    assert list_caught_mails(tmp_path) == []


async def test_the_catcher_stops_although_a_client_is_connected(tmp_path: Path) -> None:
    async with serve_mail_catcher(tmp_path) as at:
        reader, writer = await asyncio.open_connection(at.host, at.port)
        await reader.readline()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection(at.host, at.port)


async def test_an_address_in_use_is_an_error(tmp_path: Path) -> None:
    async with serve_mail_catcher(tmp_path) as at:
        with pytest.raises(OSError, match="in use"):
            async with serve_mail_catcher(tmp_path, port=at.port):
                pass
