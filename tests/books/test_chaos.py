"""Are the run rows right although processes are killed, frozen and the pipeline is rewired?"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.catalog.published_versions import read_versions
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, books_read, until
from tests.books.stand import (
    PIPELINE,
    POLISHED,
    ask,
    at_rest,
    counted,
    faults,
    linked,
    put,
    rows,
)
from tests.ledger.test_bookkeeper_live import bookkeeper

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

ITEMS = 250
PAUSE = 0.003  # seconds an item, so that there is something to interrupt


def test_runs_complete_once_and_agree_with_the_topics_after_any_faults(
    settings: Settings, tmp_path: Path, unset: None
) -> None:
    """A worker is killed, another is frozen until it has lost its lanes, the bookkeeper is killed
    and started late, and the pipeline is rewired; all of it while events are in flight."""
    folder = linked(tmp_path)
    asyncio.run(survived(settings, folder))
    assert_clean(settings, folder)


async def survived(settings: Settings, folder: Path) -> None:
    version = await put(settings, folder)
    versions = await read_versions(settings, PIPELINE)
    patient = [
        replace(service, patience=300.0)  # a frozen process must wake up, and not be killed
        for service in worker_services(
            settings, folder, versions, together=True, processes=2, log_level="critical"
        )
    ]
    supervisor = Supervisor(patient)
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))

    async def more(events: int) -> None:
        """Wait until so many more events are consumed."""
        before = _consumed(supervisor)
        await until(_async(lambda: _consumed(supervisor) >= before + events), "no progress")

    try:
        await until(_async(supervisor.ready), "the workers are not ready")
        with bookkeeper(settings) as first:
            await ask(settings, version, 4, ITEMS, PAUSE)
            await more(300)
            os.kill(next(iter(supervisor.pids().values())), signal.SIGKILL)
            await more(300)
            await until(_opened(settings), "the bookkeeper has opened no run")
            _kill(first)
        await ask(settings, version, 4, ITEMS, PAUSE)
        await until(_async(supervisor.ready), "a worker is missing")
        await _freeze(settings, supervisor)
        with bookkeeper(settings):
            await ask(settings, version, 2, ITEMS, PAUSE)
            await more(100)
            await put(settings, folder, POLISHED)
            await ask(settings, version, 2, ITEMS, PAUSE)
            await at_rest(settings)
            await books_read(settings)
    finally:
        stopping.set()
        assert await running, "a worker was put into quarantine"
    found, completed = await rows(settings)
    counts = await counted(settings)
    assert len(counts) == 12
    assert completed == dict.fromkeys(counts, 1)
    assert [f for run, count in counts.items() for f in faults(found[run], count)] == []
    for run, count in counts.items():
        polished = {"polished": ITEMS} if found[run]["version"] == 2 else {}
        made = {"item": ITEMS, "made": ITEMS, "checked": ITEMS * 9 // 10}
        assert (count.events, count.dead) == ({**made, **polished}, {"load": ITEMS // 50})
    by_version = Counter(row["version"] for row in found.values())
    assert by_version[2] >= 2
    assert {row["status"] for row in found.values()} == {"completed with dead letters"}


async def _freeze(settings: Settings, supervisor: Supervisor) -> None:
    """Freeze a worker for longer than its partitions stay assigned to it."""
    pid = next(iter(supervisor.pids().values()))
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(2 * settings.session_timeout)  # the fault itself
    finally:
        os.kill(pid, signal.SIGCONT)


def _kill(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def _consumed(supervisor: Supervisor) -> int:
    return sum(report["consumed"] for report in supervisor.reports().values())


def _opened(settings: Settings) -> Callable[[], Awaitable[bool]]:
    async def opened() -> bool:
        return bool((await rows(settings))[0])

    return opened


def _async(condition: Callable[[], object]) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return bool(condition())

    return asked
