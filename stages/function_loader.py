"""Which function does `package.module:function` name?"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from farandole.stages.moved_names import explain_moved_names, moved_name_message

if not __name__.startswith("farandole."):
    raise ImportError("stages.function_loader is a part of farandole: import farandole.stages")

_GENERIC = "stages.generic."


class FunctionNotFoundError(ImportError):
    """The function does not exist, or its module cannot be imported; the message says why."""


def add_to_import_path(folder: Path) -> None:
    """Let imports find the modules in the pipeline's folder, before all others."""
    place = str(folder.resolve())
    if place not in sys.path:
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


def load_function(run: str) -> Callable[..., Any]:
    """Import and return the function that `run` names. Raises FunctionNotFoundError."""
    module_name, _, name = run.partition(":")
    try:
        module = import_named(module_name)
    except (Exception, SystemExit) as error:  # a script may exit when it is imported
        why = moved_name_message(error) or repr(error)
        raise FunctionNotFoundError(f"{module_name} cannot be imported: {why}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise FunctionNotFoundError(f"{module_name} has no function {name!r}")
    typed: Callable[..., Any] = function
    return typed
