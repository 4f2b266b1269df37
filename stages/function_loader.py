"""Which function does `package.module:function` name, and what is its signature?"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from farandole.stages.function_signature import StageSignature, UnbindableError, read_signature
from farandole.stages.moved_names import explain_moved_names, moved_name_message
from farandole.stages.nearest_name import did_you_mean
from farandole.stages.user_traceback import (
    error_place,
    function_place,
    is_users_file,
    shown_path,
)

if not __name__.startswith("farandole."):
    raise ImportError("stages.function_loader is a part of farandole: import farandole.stages")

_GENERIC = "stages.generic."
_RENAME = "give the file a name that nothing else has"


class UnusableFunctionError(Exception):
    """A stage cannot run its function: it does not exist, its module cannot be imported, or it
    cannot be a stage. `problem` says what is wrong and where, `remedy` what helps."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class StageFunction(NamedTuple):
    """A function that a stage can run."""

    function: Callable[..., Any]
    signature: StageSignature


def add_to_import_path(folder: Path) -> None:
    """Let imports find the modules in the pipeline's folder, before all others."""
    place = str(folder.resolve())
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    explain_moved_names()
    importlib.invalidate_caches()


def import_named(module: str) -> ModuleType:
    """Import the module that a topology file names, and return it. `stages.generic.mask` is
    Farandole's own, in files and in published versions, wherever the file is. Raises whatever the
    module raises."""
    return importlib.import_module(own_module(module) or module)


def own_module(module: str) -> str | None:
    """Return the full name of Farandole's own module if a topology file names it by its short name
    (`stages.generic.mask`); None if the module is the user's."""
    name = f"farandole.{module}"
    return name if module.startswith(_GENERIC) and find_spec(name) is not None else None


def load_stage_function(run: str) -> StageFunction:
    """Import the function that `run` names, and read its signature. Raises UnusableFunctionError:
    lint, workers and `try` say the same of the same mistake."""
    function = import_function(run)
    try:
        return StageFunction(function, read_signature(function))
    except UnbindableError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 -- what inspect says of an odd callable
        reason = (
            f"write a plain `def` with annotations: its signature cannot be read "
            f"({type(error).__name__}: {error})"
        )
    place = function_place(function)
    raise UnusableFunctionError(f"{f'{place}: ' if place else ''}{run} cannot be a stage", reason)


def import_function(run: str) -> Callable[..., Any]:
    """Import what `run` names, and return it. Raises UnusableFunctionError if it cannot be
    imported, or is not callable."""
    module_name, _, name = run.partition(":")
    try:
        module = import_named(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 -- a module may raise anything, or exit
        raise _import_problem(module_name, error) from None
    hidden = _hidden_file(module_name, module.__file__)
    if hidden is not None:
        raise UnusableFunctionError(
            f"{hidden} is not used: Python has imported another {module_name!r}", _RENAME
        )
    function = getattr(module, name, None)
    file = shown_path(getattr(module, "__file__", None) or module_name)
    if function is None:
        known = [each for each, value in vars(module).items() if callable(value)]
        raise UnusableFunctionError(
            f"{file} has no function {name!r}",
            did_you_mean(name, known, f"write `def {name}(...)` in it"),
        )
    if not callable(function):
        raise UnusableFunctionError(
            f"{name!r} in {file} is no function but {type(function).__name__}",
            f"write `def {name}(...)` in it",
        )
    typed: Callable[..., Any] = function
    return typed


def _import_problem(module: str, error: BaseException) -> UnusableFunctionError:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{module}.".startswith(f"{missing}."):
        *above, last = module.split(".")
        siblings = [file.stem for file in Path(sys.path[0]).joinpath(*above).glob("*.py")]
        return UnusableFunctionError(
            f"there is no {'/'.join([*above, last])}.py",
            did_you_mean(last, siblings, "create it, or say where the function is with `run:`"),
        )
    moved = moved_name_message(error)
    what = f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else _first_line(error)
    place = error_place(error)
    remedy = "correct that line"
    if isinstance(error, ImportError):
        hidden = _hidden_file(error.name, error.path)
        if hidden is not None:
            remedy = f"{hidden} is not used: Python has imported another {error.name!r}; {_RENAME}"
    package = (missing or "").partition(".")[0]
    if package and moved is None and find_spec(package) is None:
        remedy = f"install {package!r} where the stages run, or {remedy}"
    return UnusableFunctionError(
        f"{module} cannot be imported: {f'{place}: ' if place else ''}{moved or what}", remedy
    )


def _hidden_file(module: str | None, imported_from: str | None) -> str | None:
    """Return the file in the pipeline's folder that a module should have been imported from, if
    Python has imported one of its own or of a package before, which hides it."""
    if not module or own_module(module) or module.startswith("farandole."):
        return None
    file = Path(sys.path[0]).joinpath(*module.split(".")).with_suffix(".py")
    is_hidden = file.is_file() and not (imported_from and is_users_file(imported_from))
    return shown_path(str(file)) if is_hidden else None


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
