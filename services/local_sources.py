"""Which files of a folder does a module import, directly or through others?

The files are parsed and not run. What is imported by a computed name is not found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
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
        stat = file.stat()
        imports = _imports(file, (stat.st_mtime_ns, stat.st_ino, stat.st_size))
    except (SyntaxError, ValueError, OSError):
        return
    for node in imports:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


@lru_cache(maxsize=1_000)
def _imports(file: Path, stamp: tuple[int, ...]) -> Sequence[ast.Import | ast.ImportFrom]:
    """Return the import statements of a file. `stamp` differs after each save: a file is asked for
    every two seconds, and parsed once. Raises SyntaxError, ValueError and OSError."""
    tree = ast.parse(file.read_bytes())
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
