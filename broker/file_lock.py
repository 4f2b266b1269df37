"""How do processes on one machine exclude each other?"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from farandole.broker.broker_errors import DeadlineExceededError

_LOCK_TIMEOUT = 300.0  # seconds; a first download may take long


@contextlib.asynccontextmanager
async def acquire_file_lock(
    file: Path, waiting: Callable[[], None] = lambda: None
) -> AsyncIterator[None]:
    """Lock `file` against all other processes on this machine while the block runs. The lock is
    released when the process ends, too. `waiting` is called once if another process has the lock.
    Raises DeadlineExceededError."""
    ends = time.monotonic() + _LOCK_TIMEOUT
    reported = False
    with file.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not reported:
                    waiting()
                    reported = True
            if time.monotonic() > ends:
                raise DeadlineExceededError(
                    f"another process has held {file} for {_LOCK_TIMEOUT:g} s; does it hang?"
                )
            await asyncio.sleep(0.05)
        yield
