"""Are edited functions taken up, and does a mended one leave quarantine?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farandole.services import restart_policy
from farandole.services.code_watcher import follow_code
from farandole.services.supervisor import ServiceSpec, Supervisor
from tests.services.test_supervisor import ROOT, Running, lives, running, service, until


def watched(behaviour: str, folder: Path, module: str) -> ServiceSpec:
    named = replace(service(behaviour, folder / f"{module}.diary"), name=module)
    return replace(
        named,
        folder=str(folder),
        environment={**named.environment, "PYTHONPATH": str(ROOT)},
        modules=(module,),
    )


@asynccontextmanager
async def following(run: Running, **how: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(follow_code(run.supervisor, **how))
    try:
        yield
        assert not task.done(), "it has ended"
    finally:
        task.cancel()


async def save_until(file: Path, text: str, condition: Callable[[], bool]) -> None:
    """Save a file, and again if nothing happens: the watch may have begun after the first time."""
    for _ in range(60):
        await asyncio.to_thread(file.write_text, text)
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                while not condition():
                    await asyncio.sleep(0.01)
                return
    raise AssertionError(f"nothing happens at a save of {file}")


async def test_a_save_restarts_the_services_that_import_the_file(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import shared")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "shared.py").write_text("")
    services = [watched("settles", tmp_path, name) for name in ("one", "other")]
    async with running(*services) as run, following(run, reload=True):
        await until(run.supervisor.ready)
        diary = tmp_path / "one.diary"
        await save_until(tmp_path / "shared.py", "X = 1", lambda: len(lives(diary)) > 1)
        await until(run.supervisor.ready)
        assert await run.stop()
    assert len(lives(tmp_path / "other.diary")) == 1


async def test_a_file_that_is_no_python_restarts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text("")
    async with running(watched("settles", tmp_path, "one")) as run:
        await until(run.supervisor.ready)
        refused: list[str] = []
        async with following(run, reload=True, refuse=refused.append):
            await save_until(file, "def broken(:", lambda: bool(refused))
        assert refused[0] == f"{file}:1: invalid syntax; one cannot start with it: mend it"
        assert await run.stop()
    assert len(lives(tmp_path / "one.diary")) == 1


async def test_a_save_of_its_code_ends_the_quarantine_of_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 1)
    file = tmp_path / "one.py"
    bad, good = watched("crashes", tmp_path, "one"), service("settles", tmp_path / "good")
    async with running(bad, good) as run, following(run, reload=False):
        await until(lambda: len(lives(tmp_path / "one.diary")) == 1 and run.supervisor.ready())
        await save_until(file, "", lambda: len(lives(tmp_path / "one.diary")) > 1)
        await run.stop()
    assert len(lives(tmp_path / "good")) == 1


async def test_a_restart_drains_and_counts_as_no_crash(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    supervisor: Supervisor
    async with running(service("settles", diary, processes=2)) as run:
        supervisor = run.supervisor
        for lived in range(1, restart_policy.QUARANTINE_AFTER + 2):
            await until(supervisor.ready)
            supervisor.restart({"settles"})
            await until(lambda wanted=2 * lived: len(lives(diary)) == wanted + 2)  # type: ignore[misc]
        await until(supervisor.ready)
        assert await run.stop()
    # Each life has settled 15: 10 at its start, 5 as it was drained.
    assert supervisor.reports()["load"]["consumed"] == 15 * len(lives(diary))
