"""How is one mail handed to the mail server, and for which recipients is it accepted?"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from aiosmtplib import errors as smtp_errors

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import ENV_PREFIX
from farandole.events.network_address import host_port
from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.mail_addresses import is_plain_address
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.text_format import clip_line

_MAX_QUOTED_BYTES = 300  # of a server's answer
_QUIT_SECONDS = 1.0  # the mail is delivered by then; QUIT is only polite


async def _always() -> bool:
    return True


async def deliver_mail(
    settings: NotifierSettings,
    mail: bytes,
    sender: str,
    recipients: Sequence[str],
    may_send: Callable[[], Awaitable[bool]] = _always,
) -> DeliveryOutcome:
    """Hand one mail to the server within `smtp_timeout` seconds, and return which recipients it was
    accepted for. A failure of the server never raises an exception.

    *Refused*: the server answered 5xx about a recipient or this mail (MAIL, RCPT, DATA).
    *Deferred*: a 4xx answer, a lost connection, a deadline that passed; also any error about *us*
    (greeting, EHLO, STARTTLS, AUTH), because a change of the settings can correct it. The mail is
    sent without TLS only if the settings say so. `may_send` is asked last, right before DATA; if it
    returns False the mail is not sent, and every recipient is deferred.
    """
    if settings.smtp_host is None:
        reason = f"no mail server is configured; set {ENV_PREFIX}SMTP_HOST"
        return DeliveryOutcome(deferred=dict.fromkeys(recipients, reason))
    attempt = _SmtpAttempt(settings, mail, sender, recipients, may_send)
    try:
        async with asyncio.timeout(settings.smtp_timeout):
            await attempt.run()
    except TimeoutError as error:
        attempt.record_failure(attempt.timeout_text(settings.smtp_timeout), error)
    finally:
        attempt.client.close()
    return attempt.outcome()


@dataclass(slots=True)
class _SmtpAttempt:
    """One SMTP session, and the result for each recipient so far."""

    settings: NotifierSettings
    mail: bytes
    sender: str
    recipients: Sequence[str]
    may_send: Callable[[], Awaitable[bool]]
    client: SMTP = field(init=False)
    password: str | None = None
    step: str = "connecting"
    """The SMTP command in progress; a failure's text names it."""
    steps: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    delivered: tuple[str, ...] = ()
    answer: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = SMTP(
            hostname=self.settings.smtp_host,
            port=self.settings.effective_port,
            use_tls=self.settings.smtp_security == "tls",
            start_tls=False,  # done explicitly in _open
            local_hostname="[127.0.0.1]",  # replaced once the connection shows our address
            timeout=self.settings.smtp_timeout / 2,
        )

    async def run(self) -> None:
        self.steps.append(self._server())
        try:
            await self._open()
            await self._hand_over()
        except SMTPResponseException as error:
            # The server answered with an error code.
            self.record_failure(self._answer_text(error), error)
        except (OSError, SMTPException, InvalidSettingsError, ValueError) as error:
            # ValueError: the server's answer is not SMTP, or an address cannot be encoded.
            self.record_failure(self._error_text(error), error)
        if self.delivered:
            with suppress(OSError, SMTPException, ValueError):
                await self.client.quit(timeout=_QUIT_SECONDS)

    async def _open(self) -> None:
        security = self.settings.smtp_security
        self.password = self.settings.password()
        if security != "none":
            self.client.tls_context = await asyncio.to_thread(self.settings.ssl_context)
        await self.client.connect()
        own = self._own_name()
        self.step = "EHLO"
        try:
            await self.client.ehlo(hostname=own)
        except smtp_errors.SMTPHeloError:
            if security == "starttls" or not self.client.is_connected:
                raise
            await self.client.helo(hostname=own)  # a server without extensions
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
        self.steps.append(self._tls_text())
        if self.settings.smtp_username is not None:
            self.step = "AUTH"
            await self.client.login(self.settings.smtp_username, self.password or "")
            self.steps.append(f"signed in as {clip_line(self.settings.smtp_username)}")

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
                if not self.client.is_connected:  # 421: the server closed the session
                    raise
                self._classify([recipient], error)
            else:
                self.accepted.append(recipient)
        if self.accepted and not await self.may_send():
            self.deferred.update(
                dict.fromkeys(self.accepted, "not sent: the mail is no longer ours")
            )
        elif self.accepted:
            self.step = "DATA"
            answer = await self.client.data(self.mail)
            self.answer = self._redact(f"{answer.code} {answer.message}")
            self.delivered = tuple(self.accepted)

    def outcome(self) -> DeliveryOutcome:
        """Return the result for each recipient."""
        return DeliveryOutcome(
            self.delivered, self.refused, self.deferred, ", ".join(self.steps), self.answer
        )

    def record_failure(self, text: str, error: BaseException) -> None:
        """Record an error for every recipient that has no result yet."""
        unsettled = set(self.recipients) - {*self.delivered, *self.refused, *self.deferred}
        rest = [recipient for recipient in self.recipients if recipient in unsettled]
        if isinstance(error, SMTPResponseException) and self.step in ("MAIL", "DATA"):
            self._classify(rest, error)
            return
        arrived = "; it may have arrived" if self.step == "DATA" else ""
        self.deferred.update(dict.fromkeys(rest, self._reason(text) + arrived))

    def timeout_text(self, seconds: float) -> str:
        """Return the reason for a deadline that passed, with a hint about TLS if that may be the
        cause."""
        text = f"no answer within {seconds:g} s"
        if self.step == "connecting" and self.settings.smtp_security != "tls":
            # A server that expects TLS from the first byte waits for us, and we wait for it.
            text += (
                f"; is {ENV_PREFIX}SMTP_SECURITY tls meant for port {self.settings.effective_port}?"
            )
        return text

    def _classify(self, recipients: Iterable[str], error: SMTPResponseException) -> None:
        """Record an answer of the server: refused for 5xx, deferred otherwise."""
        into = self.refused if 500 <= error.code < 600 else self.deferred
        into.update(dict.fromkeys(recipients, self._reason(self._answer_text(error))))

    def _reason(self, text: str) -> str:
        return f"{self._server()}: {self.step}: {text}"

    def _server(self) -> str:
        return host_port(self.settings.smtp_host or "", self.settings.effective_port)

    def _own_name(self) -> str:
        """Return our address as a literal, which needs no DNS and which no server can reject."""
        address = str(self.client.get_transport_info("sockname")[0]).partition("%")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def _tls_text(self) -> str:
        """Return the TLS version of the connection, or `in clear`."""
        layer = self.client.get_transport_info("ssl_object")
        return str(layer.version()) if layer is not None else "in clear"

    def _answer_text(self, error: SMTPResponseException) -> str:
        # aiosmtplib gives its own errors codes below 0.
        code = f"{error.code} " if error.code > 0 else ""
        text = self._redact(f"{code}{error.message}")
        if self.step == "AUTH":
            text += f"; look at {ENV_PREFIX}SMTP_USERNAME and {ENV_PREFIX}SMTP_PASSWORD"
        return text

    def _error_text(self, error: BaseException) -> str:
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
                f"{self.settings.smtp_security} right for port {self.settings.effective_port}?"
            )
        if isinstance(error, TimeoutError):
            return self.timeout_text(self.settings.smtp_timeout / 2)
        if isinstance(cause, smtp_errors.SMTPServerDisconnected):
            return "the server closed the connection"
        if self.step == "connecting":
            return (
                f"cannot be reached: {clip_line(str(cause), _MAX_QUOTED_BYTES)}; look "
                f"at {ENV_PREFIX}SMTP_HOST and "
                f"{ENV_PREFIX}SMTP_PORT"
            )
        return clip_line(str(error), _MAX_QUOTED_BYTES)

    def _redact(self, answer: str) -> str:
        """Return a server's answer in one line, without our password, which it may repeat."""
        if self.password:
            credentials = f"\0{self.settings.smtp_username}\0{self.password}"
            for secret in (_base64_text(credentials), _base64_text(self.password), self.password):
                answer = answer.replace(secret, "…")
        return clip_line(answer, _MAX_QUOTED_BYTES)


class _MissingExtensionError(SMTPException):
    """The server lacks an extension that the settings require."""


def _base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
