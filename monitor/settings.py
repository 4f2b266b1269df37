"""How is the monitor told where to listen, and others where it does?"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from farandole.broker.settings import ConfiguredSettings


class MonitorSettings(ConfiguredSettings):
    """From the environment (`FARANDOLE_…`), else from the table `[monitor]` of `farandole.toml`."""

    table = "monitor"

    monitor_host: str = "127.0.0.1"
    """Where it listens. It asks nobody who they are."""
    monitor_port: int = Field(default=0, ge=0, lt=65536)
    """0: one that is free."""
    monitor_url: str | None = None
    """Where `top` and `status` ask; None: what the monitor of the same folder wrote down."""

    @field_validator("monitor_url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or " " in url):
            raise ValueError(f"{url!r} is not http://host:port")
        return url
