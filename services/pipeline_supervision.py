"""How do the workers run until somebody has had enough?"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from farandole.catalog.published_versions import PublishedVersions, VersionsByNumber
from farandole.services.errors import QuarantinedError
from farandole.services.supervisor import ServiceSpec, Supervisor

_READY_INTERVAL = 0.2  # seconds between two looks


async def supervise_until_stopped(
    published: PublishedVersions,
    services: Callable[[VersionsByNumber], Sequence[ServiceSpec]],
    ready: Callable[[], None],
) -> None:
    """Supervise what each version asks for until Ctrl-C or SIGTERM, then drain; a second one ends
    them at once.

    `ready` is called once every process lives. Raises QuarantinedError when all are in quarantine.
    """
    supervisor = Supervisor(services(published.versions))
    stopping = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def hear() -> None:
        if stopping.is_set():
            task.cancel()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hear)
    watching = asyncio.create_task(_announce_ready(supervisor, ready))
    keeping = asyncio.create_task(keep_services_current(supervisor, published, services))
    try:
        sound = await supervisor.run(stopping)
    finally:
        watching.cancel()
        keeping.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if not sound:
        raise QuarantinedError


async def _announce_ready(supervisor: Supervisor, ready: Callable[[], None]) -> None:
    while not supervisor.ready():  # noqa: ASYNC110 -- the supervisor has nothing to await
        await asyncio.sleep(_READY_INTERVAL)
    ready()


async def keep_services_current(
    supervisor: Supervisor,
    published: PublishedVersions,
    services: Callable[[VersionsByNumber], Sequence[ServiceSpec]],
) -> None:
    """Let the supervisor run what each new version asks for, until cancelled."""
    while True:
        supervisor.want(services(await published.changed()))


@asynccontextmanager
async def supervised(supervisor: Supervisor) -> AsyncIterator[asyncio.Task[bool]]:
    """The supervisor runs while the block does, and is drained at its end, however that comes."""
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        yield running
    finally:
        stopping.set()
        await running
