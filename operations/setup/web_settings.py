"""Where does the web console listen, and who may do what in it?"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from farandole.broker.settings import ConfiguredSettings

DEFAULT_PORT = 8217
MIN_TOKEN_LENGTH = 16  # characters

_ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 -- what they mean, nothing listens here


def _split_words(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(word for each in value.split(",") if (word := each.strip()))
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_words)]
"""A list in the file, words with commas between them in the environment."""


class WebSettings(ConfiguredSettings):
    """From the environment (`FARANDOLE_…`), else from the table `[web]` of `farandole.toml`."""

    table = "web"

    web_host: str = "127.0.0.1"
    """The address to listen at."""
    web_port: int | None = Field(default=None, ge=0, lt=65536)
    """0 for any free port; None for DEFAULT_PORT or, if that is taken, any free port."""
    web_url: str | None = None
    """Where people find the console, if a proxy is before it: mails link there, and its path is the
    console's base path."""
    web_hosts: Words = ()
    """Further names under which the console may be asked."""
    web_auth: Literal["token", "proxy", "none"] = "token"
    web_token: SecretStr | None = None
    """None for a random one, which is kept in `.farandole/web.json`."""
    web_proxies: Words = ("127.0.0.1", "::1")
    """Addresses and networks of the proxies that say who asks."""
    web_viewers: Words = ("*",)
    """The groups whose people may look; `*` for everybody whom the proxy knows."""
    web_operators: Words = ()
    web_editors: Words = ()
    web_revealers: Words = ()
    """The groups whose people may see personal data unmasked."""

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the console."""
        return is_loopback(self.web_host)

    @property
    def reached_host(self) -> str:
        """The address under which this machine reaches the console."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.web_host, self.web_host)  # noqa: S104

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The names, without ports, under which the console may be asked."""
        names = {"localhost", "127.0.0.1", "::1", *map(str.lower, self.web_hosts)}
        if self.web_host not in _ANYWHERE:
            names.add(self.web_host.lower())
        if self.web_url is not None:
            names.add((urlsplit(self.web_url).hostname or "").lower())
        return frozenset(names)

    @field_validator("web_url")
    @classmethod
    def _require_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("write an address such as https://farandole.example.com/")
        return url if url.endswith("/") else f"{url}/"

    @field_validator("web_proxies")
    @classmethod
    def _require_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for each in proxies:
            try:
                ipaddress.ip_network(each)
            except ValueError:
                raise ValueError(
                    f"{each!r} is neither an address nor a network such as 10.0.0.0/24"
                ) from None
        return proxies

    @field_validator("web_token")
    @classmethod
    def _require_long_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < MIN_TOKEN_LENGTH:
            raise ValueError(f"a token has at least {MIN_TOKEN_LENGTH} characters")
        return token

    @model_validator(mode="after")
    def _require_safe(self) -> WebSettings:
        if self.web_auth == "none" and not self.is_loopback:
            raise ValueError(
                "web_auth=none shows everything to everybody: it needs web_host=127.0.0.1"
            )
        proxies_given = "web_proxies" in self.model_fields_set
        if self.web_auth == "proxy" and not (self.is_loopback or proxies_given):
            raise ValueError(
                "web_auth=proxy believes what a proxy says: name its address by web_proxies, or"
                " listen at web_host=127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    """Return True if an address or a name is that of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
