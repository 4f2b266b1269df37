"""Is a draft checked whatever the modules of its functions do, and does the console live on?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farandole.operations.topology.completion_data import completion_data
from farandole.operations.topology.draft_check import DraftChecker
from farandole.operations.topology.followed_files import follower_of, following
from farandole.operations.topology_source import TopologySource
from tests.web.drafts import SLOWER, TOPOLOGY, write_folder

ENDS = "\ndef load(lines: list[Line]) -> None: ..."


@pytest.fixture
async def checker(tmp_path: Path) -> AsyncIterator[DraftChecker]:
    found = DraftChecker(tmp_path, "", timeout=60)
    yield found
    await found.close()


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[DraftChecker]:
    found = DraftChecker(tmp_path, "", timeout=3)
    yield found
    await found.close()


async def messages(checker: DraftChecker, folder: Path, code: str) -> list[str]:
    file = write_folder(folder, {"load": code + ENDS})
    async with asyncio.timeout(60):
        verdict = await checker.check(TopologySource(file, folder), SLOWER.encode())
    assert all(finding.file == str(file) for finding in verdict.findings)
    return [finding.message for finding in verdict.findings]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(3)", "work.load cannot be imported"),
        ("raise SystemExit", "work.load cannot be imported"),
        ("import os; os._exit(0)", "ended with 0"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with -9"),
        ("import os\nfor fd in range(3, 9):\n  try: os.write(fd, b'{}')\n  except OSError: pass",
         "has answered something else"),
    ],
)  # fmt: skip
async def test_a_hostile_module_is_a_finding(
    checker: DraftChecker, tmp_path: Path, code: str, said: str
) -> None:
    (message,) = await messages(checker, tmp_path, code)
    assert said in message


@pytest.mark.parametrize(
    "code", ["while True: pass", "import os\nwhile True: os.write(2, b'x' * 65536)"]
)
async def test_an_import_that_does_not_end_is_a_finding(
    impatient: DraftChecker, tmp_path: Path, code: str
) -> None:
    (message,) = await messages(impatient, tmp_path, code)
    assert "cannot be imported within 3 s" in message


async def test_what_a_module_prints_and_reads_disturbs_nothing(
    checker: DraftChecker, tmp_path: Path
) -> None:
    code = "import sys\nprint('{}' * 100000)\nassert sys.stdin.read() == ''"
    assert await messages(checker, tmp_path, code) == []


async def test_what_a_module_starts_ends_with_the_check(
    checker: DraftChecker, tmp_path: Path
) -> None:
    code = (
        "import subprocess, pathlib\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))"
    )
    await messages(checker, tmp_path, code)
    async with asyncio.timeout(30):
        while is_alive((tmp_path / "pid").read_text()):
            await asyncio.sleep(0.05)


def is_alive(process: str) -> bool:
    try:
        return "State:\tZ" not in Path("/proc", process, "status").read_text()
    except OSError:
        return False


async def test_many_drafts_at_once_are_each_checked(checker: DraftChecker, tmp_path: Path) -> None:
    source = TopologySource(write_folder(tmp_path), tmp_path)
    broken = TOPOLOGY.replace("emits: line", "emit: line")
    texts = [TOPOLOGY, broken, SLOWER, broken]
    verdicts = await asyncio.gather(*(checker.check(source, text.encode()) for text in texts))
    assert [verdict.derived is not None for verdict in verdicts] == [True, False, True, False]


async def test_functions_that_cannot_run_are_named(checker: DraftChecker, tmp_path: Path) -> None:
    write_folder(tmp_path)
    functions = ["work.load:load", "work.load:other", "gone.away:away"]
    unusable = await checker.unusable_functions(functions)
    assert list(unusable) == functions[1:]
    assert "work/load.py has no function 'other'" in unusable["work.load:other"]


def test_functions_are_offered_and_no_module_is_imported(tmp_path: Path) -> None:
    write_folder(tmp_path, {"load": "raise SystemExit" + ENDS})
    (tmp_path / "broken.py").write_text("def (")
    offered = {each.run: each for each in completion_data(tmp_path).functions}
    assert offered["work.ingest:ingest"].signature == "(feed: Feed) -> Iterator[Line]"
    assert offered["work.ingest:ingest"].summary == "Read the lines."
    assert offered["work.load:load"].file == os.path.join("work", "load.py")
    assert "stages.generic.filter:filter" in offered


def test_a_router_that_follows_a_file_is_seen_while_it_runs(tmp_path: Path) -> None:
    file = write_folder(tmp_path)
    with following(tmp_path, "", [tmp_path]):
        assert follower_of(file, tmp_path, "") is not None
        assert follower_of(file, tmp_path, "other") is None
        assert follower_of(tmp_path / "work" / "topology.yaml", tmp_path, "") is None
    assert follower_of(file, tmp_path, "") is None


def test_what_a_killed_router_has_left_is_not_believed(tmp_path: Path) -> None:
    file = write_folder(tmp_path)
    with following(tmp_path, "", [file]):
        (lock,) = (tmp_path / ".farandole").glob("route-*.lock")
        said = lock.read_text()
    (tmp_path / ".farandole" / "route-elsewhere-1.lock").write_text(said)
    assert follower_of(file, tmp_path, "") is None
