"""Does the same pipeline run from this folder already?"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farandole.services.errors import ServiceError


@contextmanager
def only_one_up(folder: Path, file: Path, namespace: str) -> Iterator[None]:
    """Run the block unless another process of this machine runs it for the same folder, topology
    file and namespace. Raises ServiceError, which names that process. Where the folder cannot be
    written to, nobody is refused."""
    lock = folder / ".farandole" / f"up-{file.stem}{namespace and f'-{namespace}'}.lock"
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
            handle.seek(0)
            raise ServiceError(
                f"the pipeline of {file} runs already: `up` is process "
                f"{handle.read().strip() or '(unknown)'}; end that first (Ctrl-C there)"
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield
