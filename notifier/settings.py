"""Which settings does the notifier have: mail server, sender, time-outs, webhook secret?"""

from __future__ import annotations

import base64
import binascii
import ssl
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import ENV_PREFIX, ConfiguredSettings, reveal_secret
from farandole.notifier.mail_addresses import is_plain_address

_PORTS = {"none": 25, "starttls": 587, "tls": 465}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_BASE64_PREFIX = "whsec_"  # Standard Webhooks: the rest is base64


class NotifierSettings(ConfiguredSettings):
    """The settings from the environment (`FARANDOLE_…`), else from the table `[notifier]` of
    `farandole.toml`.

    Times are in seconds.
    """

    table = "notifier"

    smtp_host: str | None = None
    """None if there is no mail server."""
    smtp_port: int | None = Field(default=None, gt=0, lt=65536)
    """None for the usual port of `smtp_security`."""
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_password_file: Path | None = None
    smtp_ca: Path | None = None
    """A PEM file of certificate authorities; None for those that this machine trusts."""
    mail_from: str | None = None
    smtp_timeout: float = Field(default=30.0, gt=0)
    """For one attempt to send one mail; each step of it may take half of that."""
    webhook_secret: SecretStr | None = None
    """`whsec_` followed by base64, or any text."""
    webhook_secret_file: Path | None = None
    webhook_timeout: float = Field(default=10.0, gt=0)

    @property
    def attempt_seconds(self) -> float:
        """How long one attempt to deliver a notice takes at most, through all of its channels."""
        return self.smtp_timeout + self.webhook_timeout

    @field_validator("mail_from")
    @classmethod
    def _require_plain_address(cls, address: str | None) -> str | None:
        if address is not None and not is_plain_address(address):
            raise ValueError("write a bare address, for example alerts@example.com")
        return address

    @field_validator("smtp_host")
    @classmethod
    def _require_host_name(cls, host: str | None) -> str | None:
        if host is not None and (not host.isascii() or not host or set(host) & set(" /@\t\r\n")):
            raise ValueError("write a host's name or address; its port is smtp_port")
        return host

    @field_validator("webhook_secret")
    @classmethod
    def _require_decodable_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _decode_secret(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _require_consistent(self) -> NotifierSettings:
        if self.smtp_host and not self.mail_from:
            raise ValueError("smtp_host needs mail_from, the address that the mails come from")
        if self.smtp_username and not (self.smtp_password or self.smtp_password_file):
            raise ValueError("smtp_username needs smtp_password or smtp_password_file")
        if (self.smtp_password or self.smtp_password_file) and not self.smtp_username:
            raise ValueError("smtp_password needs smtp_username")
        in_clear = self.smtp_security == "none" and self.smtp_host not in _LOCAL
        if self.smtp_username and in_clear:
            raise ValueError(
                "smtp_username needs smtp_security starttls or tls: "
                "no password is sent in clear to another machine"
            )
        return self

    @property
    def effective_port(self) -> int:
        """The configured port, or the usual one of `smtp_security`."""
        return self.smtp_port or _PORTS[self.smtp_security]

    def password(self) -> str | None:
        """Return the password in clear, None if none is configured. Raises InvalidSettingsError if
        its file cannot be read."""
        return reveal_secret(self.smtp_password, self.smtp_password_file, "smtp_password_file")

    def webhook_key(self) -> bytes | None:
        """Return the key that signs posts, None if they are not signed. Raises
        InvalidSettingsError."""
        setting = "webhook_secret_file"
        secret = reveal_secret(self.webhook_secret, self.webhook_secret_file, setting)
        try:
            return _decode_secret(secret) if secret else None
        except ValueError as error:
            raise InvalidSettingsError(f"{ENV_PREFIX}{setting.upper()}: {error}") from None

    def ssl_context(self) -> ssl.SSLContext:
        """Return the TLS context with the trusted authorities. Raises InvalidSettingsError."""
        try:
            return ssl.create_default_context(cafile=self.smtp_ca)
        except (OSError, ssl.SSLError) as error:
            reason = (
                error.strerror if isinstance(error, FileNotFoundError) else "no PEM certificates"
            )
            raise InvalidSettingsError(f"{ENV_PREFIX}SMTP_CA: {self.smtp_ca}: {reason}") from None


def _decode_secret(secret: str) -> bytes:
    """Return the bytes of a secret. Raises ValueError, whose message does not contain the
    secret."""
    if not secret.startswith(_BASE64_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_BASE64_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {_BASE64_PREFIX} is not base64") from None
