"""Does the same pipeline run from this folder already?"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from farandole.services.errors import ServiceError


@contextmanager
def only_one_up(folder: Path, file: Path, namespace: str) -> Iterator[None]:
    """Run the block unless another process of this machine runs it for the same folder, topology
    file and namespace. Raises ServiceError, which names that process. Where the folder cannot be
    written to, nobody is refused."""
    lock = _lock_file(folder, file, namespace)
    try:
        lock.parent.mkdir(exist_ok=True)
        handle = lock.open("a+")
    except OSError:
        yield
        return
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError(
                f"the pipeline of {file} runs already: `up` is process "
                f"{_process_in(handle)}; end that first (Ctrl-C there)"
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def running_up(folder: Path, file: Path, namespace: str) -> str | None:
    """Return the process that runs `up` for this folder, topology file and namespace on this
    machine; None if there is none."""
    try:
        with _lock_file(folder, file, namespace).open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _process_in(handle)
    except OSError:  # no `up` ever ran here
        return None
    return None


def _lock_file(folder: Path, file: Path, namespace: str) -> Path:
    return folder / ".farandole" / f"up-{file.stem}{namespace and f'-{namespace}'}.lock"


def _process_in(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read().strip() or "(unknown)"
