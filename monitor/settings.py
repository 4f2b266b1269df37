"""Where does the monitor listen, and where do commands find it?"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from farandole.broker.settings import ConfiguredSettings


class MonitorSettings(ConfiguredSettings):
    """From the environment (`FARANDOLE_…`), else from the table `[monitor]` of `farandole.toml`."""

    table = "monitor"

    monitor_host: str = "127.0.0.1"
    """The address to listen at. There is no authentication."""
    monitor_port: int = Field(default=0, ge=0, lt=65536)
    """0 for any free port."""
    monitor_folder: Path | None = None
    """Where it keeps its tables and writes its address; None for the pipeline's folder."""
    monitor_url: str | None = None
    """Where `top` and `status` ask; None for the address that the monitor of the same folder has
    written to its file."""

    @field_validator("monitor_url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or " " in url):
            raise ValueError(f"{url!r} is not http://host:port")
        return url
