"""How does a service of ours live, until it is told to end?"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import click
import structlog


@asynccontextmanager
async def service_lifetime() -> AsyncIterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set. Under a supervisor the process shows meanwhile that it
    lives, and the event is set when nobody supervises any more."""
    from farandole.worker.heartbeat import Heartbeat

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    beating = asyncio.create_task(Heartbeat.of_environment().run({}, stopping))
    try:
        yield stopping
    finally:
        beating.cancel()


@contextmanager
def exit_for_restart(event: str, *final: type[Exception]) -> Iterator[None]:
    """A Kafka that is away ends the process in the way after which a supervisor starts another;
    `event` is what the log says of it. What is `final` no second start would mend."""
    from farandole.broker.broker_errors import BrokerError
    from farandole.lanes.lane_group import MembershipError
    from farandole.services.restart_policy import EXIT_TEMPORARY

    try:
        yield
    except final:
        raise
    except (MembershipError, BrokerError) as error:
        structlog.get_logger().error(event, why=str(error))
        raise click.exceptions.Exit(EXIT_TEMPORARY) from None
