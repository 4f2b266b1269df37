"""Where does a process answer scrapes of its metrics and questions about its health?"""

from __future__ import annotations

from pydantic import Field

from farandole.broker.settings import ConfiguredSettings


class MetricsSettings(ConfiguredSettings):
    """From the environment (`FARANDOLE_…`), else from the table `[metrics]` of `farandole.toml`."""

    table = "metrics"

    metrics_host: str = "127.0.0.1"
    """The address to listen at; empty for none."""
    metrics_port: int = Field(default=0, ge=0, lt=65536)
    """0 for any free port."""
