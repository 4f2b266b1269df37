"""Is the function found that the file names, and if not, is the reason given?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import farandole
from farandole.stages.contract import Reject
from farandole.stages.function_loader import (
    UnusableFunctionError,
    add_to_import_path,
    load_stage_function,
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    modules, path = dict(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.clear()
    sys.modules.update(modules)


def test_a_function_is_found_in_the_pipelines_folder(folder: Path) -> None:
    (folder / "found_here.py").write_text("def work(x: int) -> int: return x + 1\n")
    add_to_import_path(folder)
    assert load_stage_function("found_here:work").function(1) == 2


def test_a_folder_is_put_on_the_path_once(folder: Path) -> None:
    add_to_import_path(folder)
    add_to_import_path(folder / ".")
    assert sys.path.count(str(folder.resolve())) == 1


def test_a_module_that_appears_later_is_found(folder: Path) -> None:
    add_to_import_path(folder)
    with pytest.raises(UnusableFunctionError):
        load_stage_function("appears_later:work")
    (folder / "appears_later.py").write_text("def work(x: int) -> int: return x\n")
    add_to_import_path(folder)
    assert load_stage_function("appears_later:work").function(1) == 1


@pytest.mark.parametrize("package", [False, True])
def test_a_users_folder_may_be_called_stages(folder: Path, package: bool) -> None:
    own = f"theirs_{package}"
    (folder / "stages" / own).mkdir(parents=True)
    if package:
        (folder / "stages" / "__init__.py").touch()
    (folder / "stages" / own / "work.py").write_text(
        "from farandole import Reject\ndef work(x: int) -> None: raise Reject(x)\n"
    )
    add_to_import_path(folder)
    sys.modules.pop("stages", None)
    with pytest.raises(Reject):
        load_stage_function(f"stages.{own}.work:work").function(1)


@pytest.mark.parametrize("name", ["filter", "log", "mask", "sample"])
def test_a_generic_stage_is_found_by_its_old_name(name: str) -> None:
    assert load_stage_function(f"stages.generic.{name}:{name}") == load_stage_function(
        f"farandole.stages.generic.{name}:{name}"
    )


def test_an_import_of_the_old_contract_names_the_new_one(folder: Path) -> None:
    (folder / "old_import.py").write_text("from stages.contract import Reject\n")
    add_to_import_path(folder)
    with pytest.raises(
        UnusableFunctionError, match="write `from farandole import Context, Reject, To`"
    ):
        load_stage_function("old_import:work")


_OLD_IMPORTS = """\
def work(event: int) -> None:
    from {name} import Reject
    raise Reject(event)
"""


@pytest.mark.parametrize("package", [False, True])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stages.contract", "write `from farandole import Context, Reject, To`"),
        ("stages.expression", "is internal to Farandole"),
    ],
)
def test_an_old_import_inside_a_function_is_explained_when_it_runs(
    folder: Path, name: str, said: str, package: bool
) -> None:
    """As where the wheel is installed: without the clone on the path."""
    (folder / "stages").mkdir()
    if package:
        (folder / "stages" / "__init__.py").touch()
    (folder / "imports_late.py").write_text(_OLD_IMPORTS.format(name=name))
    done = _outside(folder, "imports_late")
    assert said in done
    assert f"ModuleNotFoundError: {name}" in done


def test_an_old_import_is_explained_where_there_is_no_folder_of_stages(folder: Path) -> None:
    (folder / "imports_late.py").write_text(_OLD_IMPORTS.format(name="stages.contract"))
    assert "write `from farandole import Context, Reject, To`" in _outside(folder, "imports_late")


def test_a_users_own_module_of_an_old_name_wins(folder: Path) -> None:
    (folder / "stages").mkdir()
    (folder / "stages" / "contract.py").write_text("class Reject(Exception): ...\n")
    (folder / "imports_late.py").write_text(_OLD_IMPORTS.format(name="stages.contract"))
    assert "stages.contract.Reject: 1" in _outside(folder, "imports_late")


def _outside(folder: Path, module: str) -> str:
    """What a process prints that runs `module:work`, and has the package alone, as the wheel
    installs it."""
    elsewhere = folder / "site-packages"
    elsewhere.mkdir()
    (elsewhere / "farandole").symlink_to(Path(farandole.__path__[0]))
    code = (
        "import sys; from pathlib import Path;"
        "from farandole.stages.function_loader import add_to_import_path, load_stage_function;"
        f"add_to_import_path(Path({str(folder)!r}));"
        f"load_stage_function('{module}:work').function(1)"
    )
    root = Path(farandole.__path__[0]).parent
    # Without the clone, which an editable installation puts on the path.
    start = f"import sys; sys.path[:] = [p for p in sys.path if p not in ('', {str(root)!r})];"
    start += f"sys.path.append({str(elsewhere)!r});"
    command = [sys.executable, "-c", start + code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    ("run", "problem", "remedy"),
    [
        ("no_such_module:work", "there is no no_such_module.py", "create it"),
        ("json:lods", "json/__init__.py has no function 'lods'", "did you mean 'loads'?"),
        ("json:__name__", "'__name__' in json/__init__.py is no function but str", "write `def"),
        ("json", "has no function ''", "write `def"),
        ("", "cannot be imported: ValueError", "correct"),
        (":work", "cannot be imported: ValueError", "correct"),
        (".relative:work", "cannot be imported: TypeError", "correct"),
    ],
)
def test_a_missing_function_is_named(run: str, problem: str, remedy: str) -> None:
    with pytest.raises(UnusableFunctionError) as caught:
        load_stage_function(run)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("name", ["logging", "types"])
def test_a_module_that_loses_to_the_standard_library_is_told(folder: Path, name: str) -> None:
    (folder / f"{name}.py").write_text("def work(x: int) -> None: ...\n")
    (folder / "imports_it.py").write_text(f"import os\nfrom {name} import work\n")
    add_to_import_path(folder)
    with pytest.raises(UnusableFunctionError) as caught:
        load_stage_function(f"{name}:work")
    assert caught.value.problem == (f"{name}.py is not used: Python has imported another {name!r}")
    with pytest.raises(UnusableFunctionError) as caught:
        load_stage_function("imports_it:work")
    assert "imports_it.py:2: ImportError: cannot import name 'work'" in caught.value.problem
    assert caught.value.remedy == (
        f"{name}.py is not used: Python has imported another {name!r}; "
        "give the file a name that nothing else has"
    )


@pytest.mark.parametrize(
    ("source", "problem", "remedy"),
    [
        ("\n1/0", "fails:2: ZeroDivisionError: division by zero", "correct that line"),
        ("def work(:", "fails:1: SyntaxError: invalid syntax", "correct that line"),
        ("import sys; sys.exit(3)", "fails:1: SystemExit: 3", "correct that line"),
        ("import json\njson.loads('{')", "fails:2: JSONDecodeError", "correct that line"),
        ("import nowhere.at_all", "fails:1: ModuleNotFoundError: No module named 'nowhere'",
         "install 'nowhere' where the stages run, or correct that line"),
        ("def work(x): ...", "fails:1: fails:work cannot be a stage", "annotate `x`"),
        ("\ndef work(x: 'Order') -> None: ...", "fails:2: fails:work cannot be a stage",
         "its annotations cannot be resolved: name 'Order' is not defined"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_be_used_says_where_and_what_to_do(
    folder: Path, source: str, problem: str, remedy: str
) -> None:
    (folder / "fails.py").write_text(source)
    add_to_import_path(folder)
    with pytest.raises(UnusableFunctionError) as caught:
        load_stage_function("fails:work")
    assert problem in caught.value.problem.replace("fails.py", "fails")
    assert remedy in caught.value.remedy
    assert str(caught.value) == f"{caught.value.problem}; {caught.value.remedy}"
