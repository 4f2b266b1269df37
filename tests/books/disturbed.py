"""How are the workers of a pipeline killed and frozen while events are in flight?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.catalog.published_versions import read_versions
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import until


class Workers:
    """Two processes that host all stages, under a supervisor."""

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._kills = 0

    async def ready(self) -> None:
        """Wait until both of them work."""
        await until(awaitable(self._supervisor.ready), "a worker is missing")

    async def consumed(self, events: int) -> None:
        """Wait until so many more events are consumed."""
        before = self._consumed()
        await until(awaitable(lambda: self._consumed() >= before + events), "no progress")

    def kill(self) -> None:
        """Kill them by turns; the supervisor starts another one. (One that dies again before it has
        settled anything is put into quarantine in the end.)"""
        pids = [*self._supervisor.pids().values()]
        os.kill(pids[self._kills % len(pids)], signal.SIGKILL)
        self._kills += 1

    async def freeze(self) -> None:
        """Freeze one of them for longer than its partitions stay assigned to it."""
        pid = next(iter(self._supervisor.pids().values()))
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(2 * self._settings.session_timeout)  # the fault itself
        finally:
            os.kill(pid, signal.SIGCONT)

    def _consumed(self) -> int:
        return sum(report["consumed"] for report in self._supervisor.reports().values())


@asynccontextmanager
async def workers(settings: Settings, folder: Path, pipeline: str) -> AsyncIterator[Workers]:
    """Run the workers of a pipeline. None of them may be put into quarantine."""
    versions = await read_versions(settings, pipeline)
    patient = [
        replace(service, patience=300.0)  # a frozen process must wake up, and not be killed
        for service in worker_services(
            settings, folder, versions, together=True, processes=2, log_level="critical"
        )
    ]
    supervisor = Supervisor(patient)
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        found = Workers(settings, supervisor)
        await found.ready()
        yield found
    finally:
        stopping.set()
        assert await running, "a worker was put into quarantine"


def awaitable(condition: Callable[[], object]) -> Callable[[], Awaitable[bool]]:
    """Return a condition that `until` can await."""

    async def asked() -> bool:
        return bool(condition())

    return asked
