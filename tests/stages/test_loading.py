"""Is the function found that the file names, and said why not where it is not?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farandole.stages.contract import Reject
from farandole.stages.function_loader import (
    FunctionNotFoundError,
    add_to_import_path,
    load_function,
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    modules, path = dict(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.clear()
    sys.modules.update(modules)


def test_a_function_is_found_in_the_pipelines_folder(folder: Path) -> None:
    (folder / "found_here.py").write_text("def work(x): return x + 1\n")
    add_to_import_path(folder)
    assert load_function("found_here:work")(1) == 2


def test_a_folder_is_put_on_the_path_once(folder: Path) -> None:
    add_to_import_path(folder)
    add_to_import_path(folder / ".")
    assert sys.path.count(str(folder.resolve())) == 1


def test_a_module_that_appears_later_is_found(folder: Path) -> None:
    add_to_import_path(folder)
    with pytest.raises(FunctionNotFoundError):
        load_function("appears_later:work")
    (folder / "appears_later.py").write_text("def work(x): return x\n")
    add_to_import_path(folder)
    assert load_function("appears_later:work")(1) == 1


@pytest.mark.parametrize("package", [False, True])
def test_a_users_folder_may_be_called_stages(folder: Path, package: bool) -> None:
    own = f"theirs_{package}"
    (folder / "stages" / own).mkdir(parents=True)
    if package:
        (folder / "stages" / "__init__.py").touch()
    (folder / "stages" / own / "work.py").write_text(
        "from farandole import Reject\ndef work(x): raise Reject(x)\n"
    )
    add_to_import_path(folder)
    sys.modules.pop("stages", None)
    with pytest.raises(Reject):
        load_function(f"stages.{own}.work:work")(1)


@pytest.mark.parametrize("name", ["filter", "log", "mask", "sample"])
def test_a_generic_stage_is_found_by_its_old_name(name: str) -> None:
    assert load_function(f"stages.generic.{name}:{name}") is load_function(
        f"farandole.stages.generic.{name}:{name}"
    )


def test_a_function_that_imports_the_old_contract_is_told_the_new_one(folder: Path) -> None:
    (folder / "old_import.py").write_text("from stages.contract import Reject\n")
    add_to_import_path(folder)
    with pytest.raises(
        FunctionNotFoundError, match="write `from farandole import Context, Reject, To`"
    ):
        load_function("old_import:work")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("no_such_module:work", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("json:wrok", "json has no function 'wrok'"),
        ("json:__name__", "json has no function"),
        ("json", "json has no function ''"),
        ("", "cannot be imported"),
        (":work", "cannot be imported"),
        (".relative:work", "cannot be imported"),
    ],
)
def test_what_is_not_there_is_named(run: str, said: str) -> None:
    with pytest.raises(FunctionNotFoundError, match=said):
        load_function(run)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1/0", "ZeroDivisionError"),
        ("def work(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_a_module_that_fails_at_its_import_says_how(folder: Path, source: str, said: str) -> None:
    (folder / "fails_early.py").write_text(source)
    add_to_import_path(folder)
    with pytest.raises(FunctionNotFoundError, match=f"fails_early cannot be imported: {said}"):
        load_function("fails_early:work")
