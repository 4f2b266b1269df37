"""Which files of a folder does a module import, directly or through others?

The files are parsed and not run. What is imported by a computed name is not found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path


def local_sources(folder: Path, modules: Iterable[str]) -> frozenset[Path]:
    """Return the files below `folder` that importing these modules reads. Modules that are not in
    the folder are left out; so is what a file imports that cannot be parsed."""
    found: set[Path] = set()
    names = [*modules]
    seen: set[str] = set()
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        parent, _, _ = name.rpartition(".")
        if parent:
            names.append(parent)
        file = module_file(folder, name)
        if file is not None:
            found.add(file)
            package = name if file.name == "__init__.py" else parent
            names += _imported_names(file, package)
    return frozenset(found)


def module_file(folder: Path, name: str) -> Path | None:
    """Return the file of a module below `folder`; None if there is none."""
    place = folder.joinpath(*name.split("."))
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if file.is_file():
            return file
    return None


def syntax_problem(file: Path) -> str | None:
    """Return where and why a file is no Python; None if it is, or is gone."""
    try:
        ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        return f"{file}:{error.lineno}: {error.msg}"
    except (OSError, ValueError):
        return None
    return None


def _imported_names(file: Path, package: str) -> Iterator[str]:
    """Yield the absolute names that a file imports; what it takes from a module may be a module
    itself."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)
