"""Is a file that was refused checked again when its code is saved?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from farandole.broker.broker_errors import UnreachableError
from farandole.broker.settings import Settings
from farandole.events.topology_version import Version
from farandole.router.change_plan import ChangePlan
from farandole.router.file_watcher import follow_files
from farandole.router.isolated_check import CheckVerdict
from farandole.router.lint_finding import Finding
from farandole.router.watched_files import code_stamp


@dataclass
class RefusingEnvironment:
    """An environment without Kafka in which every file has an error."""

    code_folder: Path
    author: str = "the router"
    checks: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """The code that each check has found."""

    async def connect(self) -> Settings:
        raise UnreachableError("nobody is at home")

    async def check_file(self, file: Path) -> CheckVerdict:
        self.checks.put_nowait((self.code_folder / "shop" / "orders.py").read_text())
        return CheckVerdict((Finding(str(file), 1, 1, "No module named 'eventz'", "mend it"),))

    async def prepare_next_check(self) -> None:
        pass

    async def record_applied(
        self, settings: Settings, file: Path, plan: ChangePlan, version: Version
    ) -> None:
        pass

    def allow_command(self, file: Path, dangers: Sequence[str]) -> str:
        return ""


async def test_a_refused_file_is_checked_again_when_its_code_is_saved(tmp_path: Path) -> None:
    file, code = tmp_path / "topology.yaml", tmp_path / "shop" / "orders.py"
    code.parent.mkdir()
    file.write_text("pipeline: shop\n")
    code.write_text("import eventz")
    environment, stopping = RefusingEnvironment(tmp_path), asyncio.Event()
    running = asyncio.create_task(follow_files([file], environment, stopping))
    try:
        async with asyncio.timeout(60):
            assert await environment.checks.get() == "import eventz"
            code.write_text("import events")
            assert await environment.checks.get() == "import events"
    finally:
        stopping.set()
        await running


def test_code_is_every_python_file_outside_of_hidden_folders_and_environments(
    tmp_path: Path,
) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    for name in ("a.py", "deep/er/b.py", ".farandole/c.py", "venv/d.py", "notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1")
    before = code_stamp(tmp_path)
    assert {Path(name).name for name, _ in before} == {"a.py", "b.py"}
    (tmp_path / "deep" / "er" / "b.py").write_text("22")
    assert code_stamp(tmp_path) != before
