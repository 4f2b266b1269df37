"""What are the rates of every stage, as a monitor reports them?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from pydantic import ConfigDict, Field

from farandole.events.next_step import NextStep
from farandole.monitor.http_api import ADDRESS_FILE
from farandole.monitor.settings import MonitorSettings
from farandole.operations.errors import UnavailableError, operation
from farandole.operations.results import Result

_ANSWER_TIMEOUT = 5.0  # seconds for one answer


@dataclass(frozen=True, slots=True)
class RatesRequest:
    """Which monitor is queried."""

    url: str | None = None
    """None: the one that is configured, else the one that runs for the folder."""


class RatesResult(Result):
    """The monitor's document; keys that are not listed here are passed through."""

    model_config = ConfigDict(extra="allow", frozen=True)

    trouble: str | None
    """Why the figures are not those of now; None if they are."""
    trouble_code: str | None = None
    """The reason in one word (`monitor_state.StalenessCode`)."""
    unread: int | None
    """Offsets of the ledger that are not counted yet; None if the monitor does not know."""
    stages: list[dict[str, Any]]
    throttled: list[dict[str, Any]] = Field(default_factory=list)
    """The stages in which events wait for a throttle: since when, and how many."""


@operation
async def read_rates(folder: Path, request: RatesRequest) -> RatesResult:
    """Return the figures of a monitor. Needs no broker. Raises UnavailableError
    (`monitor_unreachable`, `settings_invalid`)."""
    return await query_monitor(find_monitor_url(folder, request.url))


def find_monitor_url(folder: Path, url: str | None, last: str | None = None) -> str:
    """Return the address of a monitor: `url`, else the configured one, else the one that the
    monitor of the folder has written down, else `last`. Raises UnavailableError
    (`monitor_unreachable`) and InvalidSettingsError."""
    configured = url or MonitorSettings.load(folder).monitor_url
    if configured:
        return configured.rstrip("/")
    try:
        return str(orjson.loads((folder / ADDRESS_FILE).read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        if last is not None:
            return last
        raise UnavailableError(
            "monitor_unreachable",
            "no monitor runs for this folder",
            next_steps=[
                NextStep("start one", ("monitor",), " (or say where one answers: --monitor URL)")
            ],
        ) from None


async def query_monitor(url: str) -> RatesResult:
    """Return the figures of the monitor at `url`. Raises UnavailableError
    (`monitor_unreachable`)."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_TIMEOUT)) as session,
            session.get(f"{url}/stages") as answer,
        ):
            answer.raise_for_status()
            return RatesResult.model_validate(await answer.json())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        problem = str(error) or "no answer in time"
        raise UnavailableError(
            "monitor_unreachable",
            f"no monitor answers at {url}: {problem}",
            next_steps=[NextStep("start one", ("monitor",))],
            url=url,
        ) from None
