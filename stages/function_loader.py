"""Which function is `package.module:function`?"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

if not __name__.startswith("farandole."):
    raise ImportError("stages.loading is a part of farandole: import farandole.stages.loading")

_GENERIC = "stages.generic."
_MOVED = "stages.contract has moved: write `from farandole import Context, Reject, To`"


class FunctionNotFoundError(ImportError):
    """There is no such function, or its module cannot be imported; the message says why."""


def add_to_import_path(folder: Path) -> None:
    """Let `import` find what is in the pipeline's folder."""
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    importlib.invalidate_caches()


def import_named(module: str) -> ModuleType:
    """Import the module that a topology file names. `stages.generic.mask` is Farandole's own, in
    files and in published versions, wherever the file is. Raises whatever the module raises."""
    if module.startswith(_GENERIC) and find_spec(f"farandole.{module}") is not None:
        module = f"farandole.{module}"
    return importlib.import_module(module)


def moved(error: BaseException) -> str | None:
    """What to write instead, where an import failed because of a name that Farandole had before it
    became one package; None where it failed otherwise."""
    if isinstance(error, ModuleNotFoundError) and error.name in ("stages", "stages.contract"):
        frames = traceback.extract_tb(error.__traceback__)
        if frames and "stages.contract" in (frames[-1].line or ""):
            return _MOVED
    return None


def load_function(run: str) -> Callable[..., Any]:
    """The function that `run` names. Raises FunctionNotFoundError."""
    module_name, _, name = run.partition(":")
    try:
        module = import_named(module_name)
    except (Exception, SystemExit) as error:  # a script that exits is no module either
        why = moved(error) or repr(error)
        raise FunctionNotFoundError(f"{module_name} cannot be imported: {why}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise FunctionNotFoundError(f"{module_name} has no function {name!r}")
    found: Callable[..., Any] = function
    return found
