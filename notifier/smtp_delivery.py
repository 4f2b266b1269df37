"""How is one mail handed to the mail server, and what does the server make of it?"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from aiosmtplib import errors as smtp_errors

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import ENV_PREFIX
from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.mail_addresses import is_plain_address
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.text_format import clip_line

_MAX_QUOTED_BYTES = 300  # bytes of an answer that are quoted
_QUIT_SECONDS = 1.0  # seconds; what was answered is settled by then


async def deliver_mail(
    settings: NotifierSettings, mail: bytes, sender: str, recipients: Sequence[str]
) -> DeliveryOutcome:
    """Hand the mail over, within `smtp_timeout` seconds. Never raises for what a server does.

    *Refused* is what the server answers with 5xx of a recipient or of this mail (MAIL, RCPT, DATA).
    *Deferred* is a 4xx, a lost connection, a passed deadline; and whatever it says of *us*
    (greeting, EHLO, STARTTLS, AUTH), for that is mended in the settings. In clear it goes only
    where the settings say so.
    """
    if settings.smtp_host is None:
        why = f"no mail server is configured; set {ENV_PREFIX}SMTP_HOST"
        return DeliveryOutcome(deferred=dict.fromkeys(recipients, why))
    attempt = _SmtpAttempt(settings, mail, sender, recipients)
    try:
        async with asyncio.timeout(settings.smtp_timeout):
            await attempt.run()
    except TimeoutError as error:
        attempt.fail(attempt.late(settings.smtp_timeout), error)
    finally:
        attempt.client.close()
    return attempt.outcome()


@dataclass(slots=True)
class _SmtpAttempt:
    settings: NotifierSettings
    mail: bytes
    sender: str
    recipients: Sequence[str]
    client: SMTP = field(init=False)
    password: str | None = None
    step: str = "connecting"
    way: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    delivered: tuple[str, ...] = ()
    answer: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = SMTP(
            hostname=self.settings.smtp_host,
            port=self.settings.port,
            use_tls=self.settings.smtp_security == "tls",
            start_tls=False,  # it is a step of its own below
            local_hostname="[127.0.0.1]",  # until the connection tells which
            timeout=self.settings.smtp_timeout / 2,
        )

    async def run(self) -> None:
        self.way.append(self._place())
        try:
            await self._open()
            await self._hand_over()
        except SMTPResponseException as error:
            # It answered, with a number that we did not want.
            self.fail(self._quoted(error), error)
        except (OSError, SMTPException, InvalidSettingsError, ValueError) as error:
            # ValueError: what it sent is not SMTP, or an address cannot be said in it.
            self.fail(self._told(error), error)
        if self.delivered:
            with suppress(OSError, SMTPException, ValueError):
                await self.client.quit(timeout=_QUIT_SECONDS)

    async def _open(self) -> None:
        security = self.settings.smtp_security
        self.password = self.settings.password()
        if security != "none":
            self.client.tls_context = await asyncio.to_thread(self.settings.trust)
        await self.client.connect()
        own = self._own_name()
        self.step = "EHLO"
        try:
            await self.client.ehlo(hostname=own)
        except smtp_errors.SMTPHeloError:
            if security == "starttls" or not self.client.is_connected:
                raise
            await self.client.helo(hostname=own)  # a server from before there were extensions
        if security == "starttls":
            self.step = "STARTTLS"
            if not self.client.supports_extension("starttls"):
                raise _MissingExtensionError(
                    "the server offers no STARTTLS, and nothing is sent in clear; set "
                    f"{ENV_PREFIX}SMTP_SECURITY to tls (port 465), or to none if the way is safe"
                )
            await self.client.starttls()
            self.step = "EHLO"
            await self.client.ehlo(hostname=own)
        self.way.append(self._secured())
        if self.settings.smtp_username is not None:
            self.step = "AUTH"
            await self.client.login(self.settings.smtp_username, self.password or "")
            self.way.append(f"signed in as {clip_line(self.settings.smtp_username)}")

    async def _hand_over(self) -> None:
        self.step = "MAIL"
        await self.client.mail(self.sender)
        for recipient in self.recipients:
            self.step = "RCPT"
            if not is_plain_address(recipient):
                self.refused[recipient] = "not an address like somebody@example.com"
                continue
            try:
                await self.client.rcpt(recipient)
            except SMTPResponseException as error:
                if not self.client.is_connected:  # 421: it is gone
                    raise
                self._sort([recipient], error)
            else:
                self.accepted.append(recipient)
        if self.accepted:
            self.step = "DATA"
            answer = await self.client.data(self.mail)
            self.answer = self._clean(f"{answer.code} {answer.message}")
            self.delivered = tuple(self.accepted)

    def outcome(self) -> DeliveryOutcome:
        return DeliveryOutcome(
            self.delivered, self.refused, self.deferred, ", ".join(self.way), self.answer
        )

    def fail(self, said: str, error: BaseException) -> None:
        """For all whose fate is open."""
        fate = set(self.recipients) - {*self.delivered, *self.refused, *self.deferred}
        rest = [recipient for recipient in self.recipients if recipient in fate]
        if isinstance(error, SMTPResponseException) and self.step in ("MAIL", "DATA"):
            self._sort(rest, error)
            return
        arrived = "; it may have arrived" if self.step == "DATA" else ""
        self.deferred.update(dict.fromkeys(rest, self._why(said) + arrived))

    def late(self, seconds: float) -> str:
        said = f"no answer within {seconds:g} s"
        if self.step == "connecting" and self.settings.smtp_security != "tls":
            # A server that speaks TLS from the first byte waits for ours.
            said += f"; is {ENV_PREFIX}SMTP_SECURITY tls meant for port {self.settings.port}?"
        return said

    def _sort(self, recipients: Iterable[str], error: SMTPResponseException) -> None:
        into = self.refused if 500 <= error.code < 600 else self.deferred
        into.update(dict.fromkeys(recipients, self._why(self._quoted(error))))

    def _why(self, said: str) -> str:
        return f"{self._place()}: {self.step}: {said}"

    def _place(self) -> str:
        host = self.settings.smtp_host or ""
        return f"[{host}]:{self.settings.port}" if ":" in host else f"{host}:{self.settings.port}"

    def _own_name(self) -> str:
        """An address literal: it needs no look-up, and no server can find it wrong."""
        address = str(self.client.get_transport_info("sockname")[0]).partition("%")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def _secured(self) -> str:
        layer = self.client.get_transport_info("ssl_object")
        return str(layer.version()) if layer is not None else "in clear"

    def _quoted(self, error: SMTPResponseException) -> str:
        number = f"{error.code} " if error.code > 0 else ""  # aiosmtplib's: no answer of SMTP
        said = self._clean(f"{number}{error.message}")
        if self.step == "AUTH":
            said += f"; look at {ENV_PREFIX}SMTP_USERNAME and {ENV_PREFIX}SMTP_PASSWORD"
        return said

    def _told(self, error: BaseException) -> str:
        cause = _root_cause(error)
        if isinstance(error, (_MissingExtensionError, InvalidSettingsError)):
            return clip_line(str(error), _MAX_QUOTED_BYTES)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                "its certificate is not believed: "
                f"{clip_line(cause.verify_message, _MAX_QUOTED_BYTES)}; name its "
                f"authority by {ENV_PREFIX}SMTP_CA, and the server as its certificate does"
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"no TLS: {clip_line(str(cause.reason or cause), _MAX_QUOTED_BYTES)}; "
                f"is {ENV_PREFIX}SMTP_SECURITY "
                f"{self.settings.smtp_security} right for port {self.settings.port}?"
            )
        if isinstance(error, TimeoutError):
            return self.late(self.settings.smtp_timeout / 2)
        if isinstance(cause, smtp_errors.SMTPServerDisconnected):
            return "the server closed the connection"
        if self.step == "connecting":
            return (
                f"cannot be reached: {clip_line(str(cause), _MAX_QUOTED_BYTES)}; look "
                f"at {ENV_PREFIX}SMTP_HOST and "
                f"{ENV_PREFIX}SMTP_PORT"
            )
        return clip_line(str(error), _MAX_QUOTED_BYTES)

    def _clean(self, said: str) -> str:
        """An answer in one line, without our secrets, which a server may repeat."""
        if self.password:
            both = f"\0{self.settings.smtp_username}\0{self.password}"
            for secret in (_base64_text(both), _base64_text(self.password), self.password):
                said = said.replace(secret, "…")
        return clip_line(said, _MAX_QUOTED_BYTES)


class _MissingExtensionError(SMTPException):
    """The server cannot do what the settings demand."""


def _base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
