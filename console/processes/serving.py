"""How does a service of ours live, until it is told to end?"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import click
import structlog


@asynccontextmanager
async def serving() -> AsyncIterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set. Under a supervisor the process shows meanwhile that it
    lives, and the event is set when nobody supervises any more."""
    from farandole.worker.beat import Beat

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    beating = asyncio.create_task(Beat.of_environment().run({}, stopping))
    try:
        yield stopping
    finally:
        beating.cancel()


@contextmanager
def started_again(event: str, *final: type[Exception]) -> Iterator[None]:
    """A Kafka that is away ends the process in the way after which a supervisor starts another;
    `event` is what the log says of it. What is `final` no second start would mend."""
    from farandole.broker.errors import BrokerError
    from farandole.lanes.group import Broken
    from farandole.worker.restarts import TEMPORARY

    try:
        yield
    except final:
        raise
    except (Broken, BrokerError) as error:
        structlog.get_logger().error(event, why=str(error))
        raise click.exceptions.Exit(TEMPORARY) from None
