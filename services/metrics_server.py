"""What does a process answer to a scrape, and to whoever asks for its health?"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.events.network_address import host_port
from farandole.operations.setup.metrics_address import MetricsAddress, kept_address
from farandole.operations.setup.metrics_settings import MetricsSettings
from farandole.telemetry.exposition import OPEN_METRICS, TEXT, render_reports
from farandole.telemetry.meter import Report

if TYPE_CHECKING:  # a process that answers nobody does not need it
    from aiohttp import web


@dataclass(frozen=True, slots=True)
class Answers:
    """What is asked of a process or, of a supervisor, of all of its children."""

    reports: Callable[[], Mapping[str, Report]]
    """The figures of each process, by its name."""
    unready: Callable[[], list[str]]
    """Why it is not ready, a line for each reason: it has not begun, or does not progress."""


@asynccontextmanager
async def serve_metrics(
    settings: MetricsSettings, folder: Path, service: str, answers: Answers
) -> AsyncIterator[str | None]:
    """Answer `/metrics`, `/healthz` and `/readyz` while the block runs. Yield the address of the
    metrics; None if the settings want none. Raises InvalidSettingsError if the address cannot be
    had."""
    if not settings.metrics_host:
        yield None
        return
    from aiohttp import web

    application = web.Application()
    application.add_routes(
        [
            web.get("/metrics", _scraped(answers.reports)),
            web.get("/healthz", _asked(list)),  # who answers at all is alive
            web.get("/readyz", _asked(answers.unready)),
        ]
    )
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.metrics_host, settings.metrics_port)
        try:
            await site.start()
        except OSError as error:
            at = host_port(settings.metrics_host, settings.metrics_port)
            raise InvalidSettingsError(
                f"cannot answer scrapes at {at}: {error.strerror}; set FARANDOLE_METRICS_PORT (or"
                " metrics_port under [metrics] in farandole.toml) to another port, 0 for any"
            ) from None
        port = runner.addresses[0][1]
        url = f"http://{host_port(settings.metrics_host, port)}/metrics"
        with kept_address(folder, MetricsAddress(service, os.getpid(), url)):
            yield url
    finally:
        await runner.cleanup()


Handler = Callable[["web.Request"], Awaitable["web.Response"]]


def _scraped(reports: Callable[[], Mapping[str, Report]]) -> Handler:
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        open_metrics = "application/openmetrics-text" in request.headers.get("Accept", "")
        body = render_reports(reports(), open_metrics=open_metrics)
        kind = OPEN_METRICS if open_metrics else TEXT
        return web.Response(body=body, headers={"Content-Type": kind})

    return answer


def _asked(problems: Callable[[], list[str]]) -> Handler:
    from aiohttp import web

    async def answer(_: web.Request) -> web.Response:
        found = problems()
        return web.Response(
            body=orjson.dumps({"ok": not found, "problems": found}) + b"\n",
            content_type="application/json",
            status=503 if found else 200,
        )

    return answer
