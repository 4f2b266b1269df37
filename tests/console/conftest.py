"""How do the tests of the console call it?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.settings import PREFIX, Settings
from console.__main__ import farandole

ROOT = Path(__file__).parents[2]
Call = Callable[..., Result]


def environment(settings: Settings) -> dict[str, str]:
    """The variables under which a command reaches the tests' Kafka."""
    return {
        f"{PREFIX}BOOTSTRAP": settings.bootstrap or "",
        f"{PREFIX}NAMESPACE": settings.namespace,
        f"{PREFIX}REPLICATION_FACTOR": "1",
    }


def process(
    *arguments: str, env: Mapping[str, str], stdout: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """`farandole` as a process of its own."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith((PREFIX, "ORDER_LINES"))}
    return subprocess.Popen(
        [sys.executable, "-m", "console", *arguments],
        cwd=ROOT, env={**clean, **env}, text=True,
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline's folder with nothing but the shipped file."""
    shutil.copy(ROOT / "topology.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def call(folder: Path, unset: None) -> Call:
    """`farandole -C folder …` in this process."""
    runner = CliRunner()

    def call(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Result:
        return runner.invoke(farandole, ["-C", str(folder), *arguments], env=env, input=stdin)

    return call


def one_line(result: Result, code: int = 1) -> str:
    """The one line of an error."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    (line,) = lines
    return line
