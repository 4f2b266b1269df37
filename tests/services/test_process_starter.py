"""Is a process that was forked from a template the same as a new Python, whatever happens to it and
to the template?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from farandole.services import process_starter
from farandole.services.process_starter import (
    EXIT_UNKNOWN,
    Command,
    ExecStarter,
    ProcessStarter,
    RunningProcess,
    TemplateLostError,
    TemplateStarter,
    can_fork,
    module_command,
    starts_alike,
)
from tests.services.test_supervisor import ROOT, alive, parent_of, until
from tests.session_template import SessionTemplate

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are not forked here")

TEMPLATE_ONLY = "TEMPLATE_ONLY"
"""A variable of the template that its processes do not get."""


class Started:
    """Starts processes of `tests.services.started`, and reads what they write."""

    def __init__(self, folder: Path, starter: ProcessStarter) -> None:
        self._folder = folder
        self._starter = starter
        self._processes: list[RunningProcess] = []

    async def start(self, how: str, *, safe: bool = True, **variables: str) -> RunningProcess:
        reading, writing = os.pipe()
        self.file = self._folder / f"{len(self._processes)}.json"
        words = ["-m", "tests.services.started", str(self.file), how]
        inherited = {name: value for name, value in os.environ.items() if name != TEMPLATE_ONLY}
        environment = {**inherited, "TZ": "Asia/Kolkata", "ODD": "\udcff"}
        try:
            process = await self._starter.start(
                Command(
                    [sys.executable, *(["-P"] if safe else []), *words],
                    {**environment, **variables}, str(self._folder), kept_fd=writing,
                ),
                of=2,
            )  # fmt: skip
        finally:
            os.close(reading)
            os.close(writing)
        self._processes.append(process)
        return process

    def kill_all(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)

    async def described(self) -> dict[str, Any]:
        """Return what the last process has written."""
        await until(self.file.exists)
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found


@pytest.fixture
async def started(starter: TemplateStarter, tmp_path: Path) -> AsyncIterator[Started]:
    started = Started(tmp_path, starter)
    yield started
    started.kill_all()


@pytest.fixture
async def starter(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TemplateStarter]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv(TEMPLATE_ONLY, "1")
    starter = TemplateStarter(modules=())
    yield starter
    await starter.close()


async def ended(process: RunningProcess) -> int:
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.parametrize("safe", [True, False])
async def test_a_forked_process_sees_what_a_new_python_sees(
    safe: bool, starter: TemplateStarter, tmp_path: Path
) -> None:
    found = []
    for each in (starter, ExecStarter()):
        started = Started(tmp_path, each)
        process = await started.start("0", safe=safe)
        assert await ended(process) == 0
        described = await started.described()
        assert described.pop("pid") == process.pid
        assert 0 < described.pop("random") < 1
        started.file.unlink()
        found.append(described)
    forked, new = found
    if not safe:
        assert forked.pop("safe path") != new.pop("safe path"), "it is the template's"
    assert forked == new


async def test_processes_draw_different_random_numbers(started: Started) -> None:
    drawn = set()
    for _ in range(2):
        await ended(await started.start("0"))
        drawn.add((await started.described())["random"])
    assert len(drawn) == 2


@pytest.mark.parametrize(
    ("how", "code"),
    [("0", 0), ("3", 3), ("75", 75), ("raises", 1), ("kills itself", -9), ("forks", 7)],
)
async def test_its_exit_code_is_told(how: str, code: int, started: Started) -> None:
    process = await started.start(how)
    assert await ended(process) == process.returncode == code
    with pytest.raises(ProcessLookupError):
        process.send_signal(signal.SIGTERM)


async def test_a_signal_that_comes_at_once_ends_it(started: Started) -> None:
    for _ in range(5):
        process = await started.start("stays")
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == -signal.SIGTERM


async def test_it_imports_what_was_saved_since_the_last_one(
    starter: TemplateStarter, tmp_path: Path
) -> None:
    for number in (3, 4):
        (tmp_path / "saved.py").write_text(f"import sys\nsys.exit({number})")
        command = Command([sys.executable, "-m", "saved"], os.environ, str(tmp_path), kept_fd=2)
        assert await ended(await starter.start(command, of=2)) == number


async def test_a_template_ends_by_no_signal_to_all_processes(started: Started) -> None:
    template = parent_of((await started.start("stays")).pid)
    os.kill(template, signal.SIGTERM)
    assert parent_of((await started.start("stays")).pid) == template


async def test_processes_go_on_when_their_template_is_killed(started: Started) -> None:
    first = await started.start("stays")
    await started.described()
    template = parent_of(first.pid)
    with capture_logs() as logs:
        os.kill(template, signal.SIGKILL)
        await until(lambda: bool(logs))
    assert (logs[0]["event"], logs[0]["processes"]) == ("template.lost", [first.pid])
    second = await started.start("3")
    assert await ended(second) == 3
    assert first.returncode is None
    first.send_signal(signal.SIGTERM)
    assert await ended(first) == EXIT_UNKNOWN


async def test_a_template_that_is_frozen_is_replaced(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await started.start("stays")
    template = parent_of(first.pid)
    os.kill(template, signal.SIGSTOP)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(process_starter, "ANSWER_SECONDS", 0.2)
        with pytest.raises(TemplateLostError, match=f"process {template}"):
            await started.start("stays")
    assert [each["event"] for each in logs] == ["template.silent"]
    await until(lambda: not alive(template))
    assert await ended(await started.start("3")) == 3
    first.send_signal(signal.SIGKILL)
    assert await ended(first) == EXIT_UNKNOWN


async def test_the_end_of_a_process_is_noticed_without_its_template(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_starter, "_REPORT_SECONDS", 0.2)
    process = await started.start("stays")
    os.kill(parent_of(process.pid), signal.SIGSTOP)
    process.send_signal(signal.SIGKILL)
    assert await ended(process) == EXIT_UNKNOWN


async def test_nothing_is_left_of_a_start_that_is_cancelled(started: Started) -> None:
    template = parent_of((await started.start("stays")).pid)
    os.kill(template, signal.SIGSTOP)
    starting = asyncio.create_task(started.start("stays"))
    await asyncio.sleep(0)  # it has asked
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    os.kill(template, signal.SIGCONT)
    await ended(await started.start("0"))  # the template has answered to both
    children = Path(f"/proc/{template}/task/{template}/children")
    await until(lambda: len(children.read_text().split()) == 1)


async def test_a_folder_that_is_gone_is_told(starter: TemplateStarter, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="gone"):
        await Started(tmp_path / "gone", starter).start("0")


async def test_what_python_reads_at_its_start_makes_a_new_one(started: Started) -> None:
    process = await started.start("stays", PYTHONHASHSEED="1")
    assert parent_of(process.pid) == os.getpid()
    process.send_signal(signal.SIGKILL)
    assert await ended(process) == -signal.SIGKILL


async def test_a_single_process_has_no_template(starter: TemplateStarter, tmp_path: Path) -> None:
    command = Command([sys.executable, "-m", "http.server", "0"], os.environ, str(tmp_path), 2)
    process = await starter.start(command, of=1)
    assert parent_of(process.pid) == os.getpid()
    process.send_signal(signal.SIGKILL)
    assert await ended(process) == -signal.SIGKILL


def test_a_template_of_workers_has_one_thread_and_no_numpy(
    session_template: SessionTemplate, tmp_path: Path
) -> None:
    """Threads do not survive a fork, and numpy's random numbers would be the same everywhere."""
    argv = [sys.executable, "-m", "tests.services.started", str(tmp_path / "0.json"), "0"]
    with (tmp_path / "log").open("wb") as log:
        assert session_template.popen(argv, log).wait(60) == 0
    template = Path(f"/proc/{session_template.pid}")
    assert len(list((template / "task").iterdir())) == 1
    libraries = (template / "maps").read_text()
    assert "pydantic_core" in libraries
    assert "numpy" not in libraries


def test_only_modules_of_this_python_are_forked() -> None:
    found = module_command([sys.executable, "-P", "-m", "a.b", "--c", "d"])
    assert found == ("a.b", ["--c", "d"], True)
    found = module_command([sys.executable, "-m", "a.b"])
    assert found == ("a.b", [], False)
    for other in (["/bin/python", "-m", "a"], [sys.executable, "-c", "1"], ["sh"], []):
        assert module_command(other) is None


def test_only_what_is_read_at_a_start_makes_a_difference() -> None:
    assert starts_alike({"PYTHONPATH": "a", "FARANDOLE_X": "1"}, {"PYTHONPATH": "a"})
    assert not starts_alike({"PYTHONPATH": "a"}, {"PYTHONPATH": "b"})
    assert not starts_alike({"MALLOC_ARENA_MAX": "2"}, {})
