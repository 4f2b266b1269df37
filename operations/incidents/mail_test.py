"""Can the configured mail server deliver a mail?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from pydantic import Field

from farandole.events.next_step import NextStep
from farandole.notifier.mail_message import compose_test_mail, notice_message_id
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.smtp_delivery import deliver_mail
from farandole.operations.errors import RefusedError, UnavailableError, operation
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class TestMailRequest:
    """The recipient of the mail, and who asked for it."""

    __test__ = False  # pytest: this is no test class

    recipient: str
    by: str


class TestMailResult(Result):
    """The answer of the mail server."""

    __test__ = False

    recipient: str
    server: str
    answer: str
    sender: str = Field(serialization_alias="from")
    message_id: str


@operation
async def send_test_mail(folder: Path, request: TestMailRequest) -> TestMailResult:
    """Send one mail with the settings of a folder. Needs no broker. Raises UnavailableError
    (`settings_invalid`, `mail_not_delivered`) and RefusedError (`mail_refused`)."""
    settings = NotifierSettings.load(folder)
    if settings.smtp_host is None or settings.mail_from is None:
        raise UnavailableError(
            "settings_invalid",
            "no mail server is configured; set FARANDOLE_SMTP_HOST and "
            "FARANDOLE_MAIL_FROM (or smtp_host and mail_from under [notifier] in farandole.toml)",
            next_steps=[NextStep("", ("mail-catcher",), " is a server for trying")],
        )
    recipient = request.recipient
    message_id = notice_message_id(f"test-{token_hex(8)}", 0, settings.mail_from)
    mail = compose_test_mail(
        sender=settings.mail_from,
        recipient=recipient,
        paragraphs=[
            f"{request.by} asked for it by `farandole test-mail`.",
            "Mails about events that died take the same way; there is nothing to do.",
        ],
        now=datetime.now(UTC),
        message_id=message_id,
    )
    outcome = await deliver_mail(settings, mail.encode(), settings.mail_from, [recipient])
    if recipient in outcome.refused:
        raise RefusedError(
            "mail_refused",
            f"refused: {outcome.refused[recipient]}; is the address right, and may "
            f"{settings.mail_from} send by this server?",
            recipient=recipient,
        )
    if recipient in outcome.deferred:
        raise UnavailableError(
            "mail_not_delivered",
            f"not delivered: {outcome.deferred[recipient]}",
            recipient=recipient,
        )
    return TestMailResult(
        recipient=recipient,
        server=outcome.route_text,
        answer=outcome.answer,
        sender=settings.mail_from,
        message_id=message_id,
    )
