"""What can an editor offer while somebody writes a topology file?"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import farandole
from farandole.operations.results import Result
from farandole.router.editor_schema import topology_json_schema

_MAX_FILES = 2_000
_MAX_FILE_BYTES = 512 * 1024
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "tests", "test"})


class OfferedFunction(Result):
    """A function that may be a stage."""

    run: str
    """`package.module:function`."""
    signature: str
    """As its file has it, for example `(line: Line) -> Priced`."""
    summary: str
    """The first line of its docstring; empty if it has none."""
    file: str
    """Relative to the pipeline's folder; empty for one of Farandole's own."""
    line: int


class CompletionData(Result):
    """What an editor offers and explains."""

    json_schema: dict[str, Any]
    """The JSON Schema of topology files, with the description of each key."""
    functions: list[OfferedFunction]
    """Those in the pipeline's folder, then Farandole's generic stages."""


def completion_data(folder: Path) -> CompletionData:
    """Return what an editor offers. No code of the folder runs: its files are only parsed."""
    return CompletionData(
        json_schema=topology_json_schema(),
        functions=[*_functions_in(folder.resolve()), *_generic_functions()],
    )


def _functions_in(folder: Path) -> Iterator[OfferedFunction]:
    for count, file in enumerate(_python_files(folder)):
        if count >= _MAX_FILES:
            return
        place = file.relative_to(folder)
        module = ".".join(place.with_suffix("").parts)
        yield from _functions_of(file, module, str(place))


def _generic_functions() -> Iterator[OfferedFunction]:
    folder = Path(farandole.__path__[0], "stages", "generic")
    for file in sorted(folder.glob("*.py")):
        found = _functions_of(file, f"stages.generic.{file.stem}", "")
        yield from (each for each in found if each.run.endswith(f":{file.stem}"))


def _python_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        if "pyvenv.cfg" in names:
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders if f.isidentifier() and f not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            file = Path(place, name)
            if file.suffix == ".py" and file.stem.isidentifier() and not name.startswith("_"):
                yield file


def _functions_of(file: Path, module: str, shown: str) -> Iterator[OfferedFunction]:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            return
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return  # the linter says what is wrong with it, if a stage needs it
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args]
        if node.name.startswith("_") or not arguments:
            continue
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        yield OfferedFunction(
            run=f"{module}:{node.name}",
            signature=f"({ast.unparse(node.args)}){returns}",
            summary=(ast.get_docstring(node) or "").partition("\n")[0],
            file=shown,
            line=node.lineno,
        )
