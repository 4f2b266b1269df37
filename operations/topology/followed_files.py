"""Is a topology file followed by a router of this machine, which applies it at each save?

Each router holds a lock on a file of its own in the pipeline's folder while it runs. Containers
that share the folder see it too.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

_FOLDER = ".farandole"
_PREFIX = "route-"
_LEFT_SECONDS = 60.0  # a lock file that is older and not held belongs to nobody


@dataclass(frozen=True, slots=True)
class Follower:
    """A router that runs."""

    host: str
    process: int

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


@contextmanager
def following(folder: Path, namespace: str, paths: Sequence[Path]) -> Iterator[None]:
    """Say that this process follows these files, or folders of files, while the block runs. Where
    the folder cannot be written to, nobody can see it."""
    host = socket.gethostname()
    lock = folder / _FOLDER / f"{_PREFIX}{host}-{os.getpid()}.lock"
    try:
        lock.parent.mkdir(exist_ok=True)
        _remove_left_locks(lock.parent)
        handle = lock.open("w")
    except OSError:
        yield
        return
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        said: _LockText = {
            "host": host,
            "process": os.getpid(),
            "namespace": namespace,
            "paths": [str(path.resolve()) for path in paths],
        }
        handle.write(json.dumps(said))
        handle.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()


def follower_of(file: Path, folder: Path, namespace: str) -> Follower | None:
    """Return the router that applies a file at each save; None if none is seen."""
    resolved = file.resolve()
    for lock in sorted((folder / _FOLDER).glob(f"{_PREFIX}*.lock")):
        said = _read_held(lock)
        if said is None or said["namespace"] != namespace:
            continue
        paths = [Path(path) for path in said["paths"]]
        if resolved in paths or file.absolute().parent.resolve() in paths:
            return Follower(said["host"], said["process"])
    return None


class _LockText(TypedDict):
    host: str
    process: int
    namespace: str
    paths: list[str]
    """Absolute, without links."""


def _read_held(lock: Path) -> _LockText | None:
    """Return what a lock file says while its process lives; None if it does not."""
    try:
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said: _LockText = json.loads(handle.read())
                return said
    except (OSError, ValueError):
        pass
    return None


def _remove_left_locks(folder: Path) -> None:
    """Remove what routers have left that were killed."""
    for lock in folder.glob(f"{_PREFIX}*.lock"):
        with suppress(OSError):
            old = time.time() - lock.stat().st_mtime > _LEFT_SECONDS
            if old and _read_held(lock) is None:
                lock.unlink()
