"""Is there one name under which Farandole is imported?"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import farandole

ROOT = Path(__file__).parents[1]
ROOMS = sorted(p.name for p in (ROOT / "farandole").iterdir() if p.is_symlink())
STAGES = [
    *("stages." + p.stem for p in sorted((ROOT / "stages").glob("*.py"))),
    *("stages.generic." + p.stem for p in sorted((ROOT / "stages" / "generic").glob("*.py"))),
]


def test_each_room_is_a_relative_link() -> None:
    links = {room: (ROOT / "farandole" / room).readlink() for room in ROOMS}
    assert links == {room: Path("..") / room for room in ROOMS}


@pytest.mark.parametrize("module", [*(r for r in ROOMS if r != "stages"), *STAGES])
def test_no_part_can_be_imported_by_a_second_name(module: str) -> None:
    """A second `Reject` would be no `Reject` to the worker: a retry instead of a dead letter."""
    imported = subprocess.run(
        [sys.executable, "-c", f"import {module}"], cwd=ROOT, capture_output=True, text=True
    )
    assert imported.returncode == 1
    assert "farandole" in imported.stderr.splitlines()[-1]


def test_the_shipped_pipeline_is_no_part_of_farandole() -> None:
    with pytest.raises(ImportError, match=r"import stages\.order_lines"):
        __import__("farandole.stages.order_lines")


def test_stages_import_only_each_other() -> None:
    """`stages` has no `__init__.py`, so import-linter passes over it."""
    for file in [*(ROOT / "stages").glob("*.py"), *(ROOT / "stages" / "generic").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("farandole"):
                assert (node.module or "").startswith("farandole.stages"), file


def test_the_shipped_pipeline_imports_farandole_alone() -> None:
    for file in (ROOT / "stages" / "order_lines").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("farandole"):
                assert node.module == "farandole", file


def test_modules_of_a_pipeline_may_have_the_names_of_our_rooms(tmp_path: Path) -> None:
    """A worker hosts such ones in `tests/services/test_worker_log.py`."""
    stages = [f"  {room}: {{subscribes: asked, run: '{room}:work'}}" for room in ROOMS]
    head = ["pipeline: ours", "events: {asked: {}}", "stages:"]
    (tmp_path / "topology.yaml").write_text("\n".join([*head, *stages]))
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text("def work(event: dict) -> None: ...\n")
    done = subprocess.run(
        [sys.executable, "-m", "farandole", "-C", str(tmp_path), "lint"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert f"fit to be applied: {len(ROOMS)} stages" in done.stdout


def test_importing_farandole_loads_nothing_heavy() -> None:
    code = (
        "import sys; import farandole;"
        "names = {m.partition('.')[0] for m in sys.modules};"
        "print(names - sys.stdlib_module_names - {'__main__'})"
    )
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}",
    ]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "{'farandole'}"


def test_what_users_import_is_there() -> None:
    from farandole.stages.contract import Context, Reject, To

    assert (farandole.Context, farandole.Reject, farandole.To) == (Context, Reject, To)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        farandole.Nothing  # noqa: B018
