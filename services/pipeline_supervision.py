"""How are services supervised until Ctrl-C or SIGTERM?"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.catalog.published_versions import PublishedVersions, VersionsByNumber
from farandole.operations.setup.metrics_settings import MetricsSettings
from farandole.services.code_watcher import follow_code, log_unreadable
from farandole.services.dead_members import leave_groups
from farandole.services.errors import QuarantinedError
from farandole.services.liveness_file import liveness_file
from farandole.services.metrics_server import Answers, serve_metrics
from farandole.services.restart_orders import follow_restart_orders
from farandole.services.supervisor import ServiceSpec, Supervisor

_READY_INTERVAL = 0.2  # seconds between two checks


async def supervise_until_stopped(
    settings: Settings,
    published: PublishedVersions,
    services: Callable[[VersionsByNumber], Sequence[ServiceSpec]],
    ready: Callable[[], None],
    *,
    pipeline: str,
    folder: Path,
    announce_metrics: Callable[[str], None],
    reload: bool = False,
    refuse_code: Callable[[str], None] = log_unreadable,
) -> None:
    """Supervise the services that each version needs until Ctrl-C or SIGTERM, then drain them; a
    second signal ends them at once. Restart those that a control document names.

    `services` returns what a set of versions needs; `ready` is called once every process lives. At
    a save of their code, processes in quarantine are started again; with `reload` the others too;
    `refuse_code` is called with what is no Python. The settings of `folder` say where scrapes of
    all processes are answered, and `announce_metrics` gets the address.
    Raises QuarantinedError if a process is in quarantine at the end, and NewerFormatError if a
    newer release has published a version: its services are drained first.
    """
    supervisor = Supervisor(services(published.versions), partial(leave_groups, settings))
    stopping = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def handle_signal() -> None:
        if stopping.is_set():
            task.cancel()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle_signal)
    announcing = asyncio.create_task(_announce_ready(supervisor, ready))
    following = asyncio.create_task(keep_services_current(supervisor, published, services))
    following.add_done_callback(lambda _: stopping.set())
    restarting = [
        asyncio.create_task(follow_restart_orders(supervisor, settings, pipeline)),
        asyncio.create_task(follow_code(supervisor, reload=reload, refuse=refuse_code)),
    ]
    try:
        async with (
            liveness_file(supervisor.healthy),
            _answering(supervisor, folder, announce_metrics),
        ):
            none_quarantined = await supervisor.run(stopping)
        if following.done():
            following.result()  # raises the error that has ended it
    finally:
        for side_task in (announcing, following, *restarting):
            side_task.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if not none_quarantined:
        raise QuarantinedError


@asynccontextmanager
async def _answering(
    supervisor: Supervisor, folder: Path, announce: Callable[[str], None]
) -> AsyncIterator[None]:
    """Answer scrapes of all processes while the block runs."""
    answers = Answers(supervisor.metrics, supervisor.problems)
    settings = MetricsSettings.load(folder)
    async with serve_metrics(settings, folder, "supervisor", answers) as url:
        if url is not None:
            announce(url)
        yield


async def _announce_ready(supervisor: Supervisor, ready: Callable[[], None]) -> None:
    while not supervisor.ready():  # noqa: ASYNC110 -- the supervisor has nothing to await
        await asyncio.sleep(_READY_INTERVAL)
    ready()


async def keep_services_current(
    supervisor: Supervisor,
    published: PublishedVersions,
    services: Callable[[VersionsByNumber], Sequence[ServiceSpec]],
) -> None:
    """Give the supervisor the services that each new version needs, until cancelled."""
    while True:
        supervisor.set_services(services(await published.changed()))


@asynccontextmanager
async def supervised(supervisor: Supervisor) -> AsyncIterator[asyncio.Task[bool]]:
    """Run the supervisor while the block runs and drain its services at the end. Yields the task,
    whose result is False if a process is in quarantine."""
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        yield running
    finally:
        stopping.set()
        await running
