"""Where does the function of a stage stand, without importing it?"""

from __future__ import annotations

import ast
from pathlib import Path

import farandole
from farandole.operations.results import Result

_MAX_SOURCE_BYTES = 1024 * 1024


class CodeLocation(Result):
    """A place in a source file."""

    file: str
    """Relative to the folder of the pipeline; one of Farandole's own begins with `farandole/`."""
    line: int
    """From 1; 1 if the function is not found in the file."""


def locate_function(folder: Path, run: str) -> CodeLocation | None:
    """Return the place of `package.module:function`; None if no file of the folder, or of
    Farandole, is that module."""
    module, _, function = run.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        return None
    own = Path(farandole.__file__).parent.parent
    for root in (folder, own):
        base = root.joinpath(*module.split("."))
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if file.is_file():
                return CodeLocation(
                    file=file.relative_to(root).as_posix(), line=_line_of(file, function)
                )
    return None


def _line_of(file: Path, function: str) -> int:
    try:
        if file.stat().st_size > _MAX_SOURCE_BYTES:
            return 1
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return 1
    name = function.partition(".")[0]
    for node in tree.body:
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and node.name == name
        ):
            return node.lineno
    return 1
