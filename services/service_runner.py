"""How does a service run until it is stopped, and with which exit code does it end?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.lanes.lane_group import MembershipError
from farandole.operations.setup.metrics_settings import MetricsSettings
from farandole.services.liveness_file import liveness_file
from farandole.services.metrics_server import Answers, serve_metrics
from farandole.services.restart_policy import EXIT_TEMPORARY
from farandole.telemetry.meter import Meter, Report
from farandole.telemetry.process_figures import own_figures
from farandole.worker.heartbeat import HEARTBEAT_FD_VARIABLE, Heartbeat


@dataclass(frozen=True, slots=True)
class MeteredService:
    """A service that is measured."""

    name: str
    folder: Path
    """The pipeline's folder, which has its settings."""
    meter: Meter = field(default_factory=Meter)


ServiceMain = Callable[[asyncio.Event], Awaitable[None]]
"""Does the work until the event is set."""


async def run_service(
    main: ServiceMain,
    *,
    ended_event: str,
    final: tuple[type[Exception], ...] = (),
    beats: bool = True,
    metered: MeteredService | None = None,
) -> int:
    """Run `main` until Ctrl-C or SIGTERM and return the exit code of the process.

    0: it has ended in good order. EXIT_TEMPORARY: Kafka is away; the log has `ended_event`, and a
    supervisor starts another process. Errors of the classes `final` are raised: another process
    would fail in the same way. `beats`: write heartbeats; False for a worker, which writes them
    itself, with counts. `metered` says who answers scrapes; None for nobody.
    """
    try:
        async with service_lifetime(beats=beats, metered=metered) as stopping:
            await main(stopping)
    except final:
        raise
    except (MembershipError, BrokerError) as error:  # what is away may come back
        structlog.get_logger().error(ended_event, why=str(error))
        return EXIT_TEMPORARY
    return 0


@asynccontextmanager
async def service_lifetime(
    *, beats: bool = True, metered: MeteredService | None = None
) -> AsyncIterator[asyncio.Event]:
    """Yield an event that Ctrl-C and SIGTERM set. With `beats` the process writes heartbeats, with
    the figures of a `metered` service, and the event is also set when the supervisor has gone;
    without a supervisor the service answers scrapes itself. Raises InvalidSettingsError."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if not beats:
        yield stopping
        return
    heartbeat = Heartbeat.from_environment(metered.meter if metered else None)
    beating = asyncio.create_task(heartbeat.run({}, stopping))
    try:
        async with liveness_file(), _answering(metered):
            yield stopping
    finally:
        beating.cancel()


@asynccontextmanager
async def _answering(metered: MeteredService | None) -> AsyncIterator[None]:
    """Answer scrapes while the block runs, unless a supervisor does it for its children."""
    if metered is None or HEARTBEAT_FD_VARIABLE in os.environ:
        yield
        return
    meter = metered.meter

    def reports() -> dict[str, Report]:
        return {metered.name: meter.report() | own_figures()}

    settings = MetricsSettings.load(metered.folder)
    answers = Answers(reports, meter.problems)
    async with serve_metrics(settings, metered.folder, metered.name, answers) as url:
        if url is not None:
            structlog.get_logger().info("metrics.served", url=url)
        yield
