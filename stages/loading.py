"""Which function is `package.module:function`?"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class NotFound(ImportError):  # noqa: N818 -- what the function is
    """There is no such function, or its module cannot be imported; the message says why."""


def on_path(folder: Path) -> None:
    """Let `import` find what is in the pipeline's folder."""
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    importlib.invalidate_caches()


def load(run: str) -> Callable[..., Any]:
    """The function that `run` names. Raises NotFound."""
    module_name, _, name = run.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a script that exits is no module either
        raise NotFound(f"{module_name} cannot be imported: {error!r}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise NotFound(f"{module_name} has no function {name!r}")
    found: Callable[..., Any] = function
    return found
