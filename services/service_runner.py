"""How does a service run until it is stopped, and with which exit code does it end?"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.lanes.lane_group import MembershipError
from farandole.services.liveness_file import liveness_file
from farandole.services.restart_policy import EXIT_TEMPORARY
from farandole.worker.heartbeat import Heartbeat

ServiceMain = Callable[[asyncio.Event], Awaitable[None]]
"""Does the work until the event is set."""


async def run_service(
    main: ServiceMain,
    *,
    ended_event: str,
    final: tuple[type[Exception], ...] = (),
    beats: bool = True,
) -> int:
    """Run `main` until Ctrl-C or SIGTERM and return the exit code of the process.

    0: it has ended in good order. EXIT_TEMPORARY: Kafka is away; the log has `ended_event`, and a
    supervisor starts another process. Errors of the classes `final` are raised: another process
    would fail in the same way. `beats`: write heartbeats; False for a worker, which writes them
    itself, with counts.
    """
    try:
        async with service_lifetime(beats=beats) as stopping:
            await main(stopping)
    except final:
        raise
    except (MembershipError, BrokerError) as error:  # what is away may come back
        structlog.get_logger().error(ended_event, why=str(error))
        return EXIT_TEMPORARY
    return 0


@asynccontextmanager
async def service_lifetime(*, beats: bool = True) -> AsyncIterator[asyncio.Event]:
    """Yield an event that Ctrl-C and SIGTERM set. With `beats` the process writes heartbeats, and
    the event is also set when the supervisor has gone."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if not beats:
        yield stopping
        return
    beating = asyncio.create_task(Heartbeat.from_environment().run({}, stopping))
    try:
        async with liveness_file():
            yield stopping
    finally:
        beating.cancel()
