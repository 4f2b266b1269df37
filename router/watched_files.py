"""Which files does a router watch, and which of them, and of the code, were saved?"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger()

FILE_SUFFIXES = (".yaml", ".yml")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})

CodeStamp = frozenset[tuple[str, tuple[int, ...]]]
"""The Python files of a folder; another one after each save."""


@dataclass(slots=True)
class WatchedFiles:
    """The files at some paths, and which of them have been saved since the last look."""

    paths: list[Path]
    seen: dict[Path, tuple[int, ...]] = field(default_factory=dict)

    def folders(self) -> list[Path]:
        """Return the folders to watch: a file that an editor replaces is noticed only in its
        folder."""
        return list(dict.fromkeys(p if p.is_dir() else p.absolute().parent for p in self.paths))

    def files(self) -> list[Path]:
        """Return the files at the paths, each once; in a folder, the pipelines by name."""
        files: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                files += sorted(
                    f for f in path.iterdir() if f.suffix in FILE_SUFFIXES and f.is_file()
                )
            else:
                files.append(path)
        return list(dict.fromkeys(files))

    def changed_files(self) -> list[Path] | None:
        """Return the files that have changed; None if nothing has. A file that is gone from a
        folder is no pipeline any more, but the versions that it has published stay."""
        now = {file: _file_stamp(file) for file in self.files()}
        changed = [file for file, stamp in now.items() if self.seen.get(file) != stamp]
        gone = self.seen.keys() - now.keys()
        for file in gone:
            log.warning("route.gone", file=str(file), remedy="its pipeline goes on as it is")
        self.seen = now
        return changed if changed or gone else None


def code_stamp(folder: Path) -> CodeStamp:
    """Return the stamp of the Python files below a folder. Hidden folders and virtual environments
    are left out: they have thousands of files, which nobody edits."""
    found: set[tuple[str, tuple[int, ...]]] = set()
    for place, folders, names in os.walk(folder):
        if "pyvenv.cfg" in names:
            folders.clear()
            continue
        folders[:] = [f for f in folders if not f.startswith(".") and f not in _SKIPPED_FOLDERS]
        files = (Path(place, name) for name in names if name.endswith(".py"))
        found.update((str(file), _file_stamp(file)) for file in files)
    return frozenset(found)


def _file_stamp(file: Path) -> tuple[int, ...]:
    """Return values that differ after each save, also if the file is a link; () if it is gone."""
    try:
        stat = file.stat()
    except OSError:
        return ()
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)
