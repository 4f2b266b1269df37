"""Are worker processes restarted, drained, and never left behind?"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from farandole.broker.awake_clock import AwakeClock
from farandole.services import restart_policy
from farandole.services.process_starter import can_fork
from farandole.services.supervisor import ServiceSpec, Supervisor

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart_policy, "MAX_RESTART_WAIT", 0.01)


def service(
    behaviour: str, diary: Path, *, patience: float = 30, processes: int = 1
) -> ServiceSpec:
    return ServiceSpec(
        name=behaviour,
        argv=[sys.executable, "-m", "tests.services.child", behaviour, str(diary)],
        environment=dict(os.environ),
        folder=str(ROOT),
        patience=patience,
        processes=processes,
    )


def lives(diary: Path) -> list[int]:
    """The pids of all lives so far."""
    return [int(pid) for pid in diary.read_text().split()] if diary.exists() else []


def alive(pid: int) -> bool:
    try:
        # A zombie that its new parent has not yet looked at is no process any more.
        return status_of(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent_of(pid: int) -> int:
    return int(status_of(pid)[1])


def status_of(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5), from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


class Running:
    def __init__(self, *services: ServiceSpec, **how: Any) -> None:
        self.supervisor = Supervisor(services, **how)
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(self.supervisor.run(self.stopping))

    async def stop(self) -> bool:
        self.stopping.set()
        async with asyncio.timeout(60):
            return await self.task


def consumed(run: Running) -> int:
    reports = run.supervisor.reports()
    return reports["load"]["consumed"] if "load" in reports else 0


@asynccontextmanager
async def running(*services: ServiceSpec, **how: Any) -> AsyncIterator[Running]:
    run = Running(*services, **how)
    try:
        yield run
    finally:
        if not run.task.done():
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)


async def test_all_processes_of_a_service_are_started_and_ended(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    async with running(service("settles", diary, processes=2)) as run:
        assert not run.supervisor.ready()
        await until(run.supervisor.ready)
        assert set(run.supervisor.pids()) == {"settles-1", "settles-2"}
        assert set(run.supervisor.pids().values()) == set(lives(diary))
        assert await run.stop()
    assert not any(alive(pid) for pid in lives(diary))
    assert run.supervisor.pids() == {}


async def test_a_stop_drains_and_reads_the_last_report(tmp_path: Path) -> None:
    async with running(service("settles", tmp_path / "diary")) as run:
        await until(lambda: consumed(run) == 10)
        assert run.supervisor.reports()["load"]["lanes"] == 1
        assert await run.stop()
    assert run.supervisor.reports() == {
        "load": {
            "consumed": 15,
            "emitted": 1,
            "bypassed": 0,
            "dropped": 0,
            "filtered": 0,
            "dead": 2,
            "cancelled": 0,
            "parked": 0,
            "lanes": 0,
        }
    }


async def test_a_process_that_dies_is_restarted_and_its_counts_are_summed(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    async with running(service("progresses", diary)) as run:
        await until(lambda: consumed(run) == 30)
        assert len(lives(diary)) == 3
        assert run.supervisor.reports()["load"]["dead"] == 6
        assert await run.stop()


async def test_the_death_of_a_process_is_told_with_the_name_that_kafka_knows_it_by(
    tmp_path: Path,
) -> None:
    deaths: list[str] = []

    async def handle_death(client_id: str) -> None:
        deaths.append(client_id)

    diary = tmp_path / "diary"
    async with running(service("settles", diary), handle_death=handle_death) as run:
        await until(run.supervisor.ready)
        name = diary.with_suffix(".client").read_text()
        os.kill(lives(diary)[0], signal.SIGKILL)
        await until(lambda: len(lives(diary)) == 2 and run.supervisor.ready())
        assert await run.stop()
    assert deaths == [name]
    assert name.startswith("settles-")


async def test_one_that_only_crashes_is_quarantined_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 3)
    crashing, good = tmp_path / "crashing", tmp_path / "good"
    async with running(service("crashes", crashing), service("settles", good)) as run:
        await until(lambda: len(lives(crashing)) == 3 and run.supervisor.ready())
        assert list(run.supervisor.pids()) == ["settles"]
        assert not await run.stop()
    assert len(lives(crashing)) == 3
    assert len(lives(good)) == 1


async def test_a_quarantined_process_is_started_again_when_its_service_is_set_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 1)
    crashing, good = tmp_path / "crashing", tmp_path / "good"
    bad, settles = service("crashes", crashing), service("settles", good)
    async with running(bad, settles) as run:
        await until(lambda: len(lives(crashing)) == 1 and run.supervisor.ready())
        mended = replace(service("settles", crashing), name=bad.name)
        run.supervisor.set_services([mended, settles])
        await until(lambda: bad.name in run.supervisor.pids() and run.supervisor.ready())
        assert await run.stop()
    assert (len(lives(crashing)), len(lives(good))) == (2, 1)


async def test_the_supervisor_ends_when_all_are_in_quarantine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 1)
    async with running(service("crashes", tmp_path / "diary")) as run, asyncio.timeout(60):
        assert not await run.task


async def test_a_process_without_heartbeats_is_killed_and_restarted(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    async with running(service("silent", diary, patience=0.5)) as run:
        await until(lambda: len(lives(diary)) == 2 and run.supervisor.ready())
        assert not alive(lives(diary)[0])
        assert await run.stop()


@pytest.mark.parametrize(("modules", "remedy"), [(("work",), "a function"), ((), "it was frozen")])
async def test_only_a_process_with_functions_is_silent_because_of_one(
    modules: tuple[str, ...], remedy: str, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    silent = replace(service("silent", diary, patience=0.5), modules=modules)
    with capture_logs() as logs:
        async with running(silent) as run:
            await until(lambda: len(lives(diary)) == 2 and run.supervisor.ready())
            assert await run.stop()
    found, *_ = [each for each in logs if each["event"] == "service.silent"]
    assert found["remedy"].startswith(remedy)


async def test_a_supervisor_that_was_frozen_kills_nobody(tmp_path: Path) -> None:
    frozen = 0.0
    diary = tmp_path / "diary"
    async with running(service("beats", diary)) as run:
        run.supervisor._clock = AwakeClock(monotonic=lambda: time.monotonic() + frozen)
        await until(run.supervisor.ready)
        (process,) = run.supervisor._processes.values()
        frozen = 3600.0
        # Reading the clock is what the watchdog does first when it wakes.
        before = run.supervisor._clock.now()
        await until(lambda: process.last_beat > before)
        await until(lambda: run.supervisor._clock.now() > before + 0.5)
        assert lives(diary) == [process.child.pid if process.child else None]
        assert await run.stop()


async def test_a_process_that_does_not_drain_is_killed(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    async with running(replace(service("deaf", diary), drain_timeout=0.3)) as run:
        await until(run.supervisor.ready)
        assert await run.stop()
    assert not alive(lives(diary)[0])


async def test_a_supervisor_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    async with running(service("deaf", diary)) as run:
        await until(run.supervisor.ready)
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)
    assert not alive(lives(diary)[0])


SUPERVISING = """
import asyncio, sys
from pathlib import Path
from tests.services.test_supervisor import service
from farandole.services.supervisor import Supervisor
asyncio.run(Supervisor([service("settles", Path(sys.argv[1]), processes=2)]).run(asyncio.Event()))
"""


async def test_no_process_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL leaves it no time to end its children: they see their pipe closed."""
    diary = tmp_path / "diary"
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISING, str(diary), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: len(lives(diary)) == 2)
        started = [*lives(diary), *map(parent_of, lives(diary))]
        assert can_fork() == (parent.pid not in started)
        parent.kill()
        await parent.wait()
        await until(lambda: not any(alive(pid) for pid in started))
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()
