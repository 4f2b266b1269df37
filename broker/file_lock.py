"""Whose turn is it, of all processes that would do the same thing?"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from farandole.broker.broker_errors import DeadlineExceededError

_LOCK_TIMEOUT = 300.0  # seconds; a first download may take its time


@contextlib.asynccontextmanager
async def acquire_file_lock(
    file: Path, waiting: Callable[[], None] = lambda: None
) -> AsyncIterator[None]:
    """One at a time; the lock ends with the process that holds it. `waiting` is called once if it
    is not our turn. Raises DeadlineExceededError."""
    ends = time.monotonic() + _LOCK_TIMEOUT
    told = False
    with file.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                    told = True
            if time.monotonic() > ends:
                raise DeadlineExceededError(
                    f"another process has held {file} for {_LOCK_TIMEOUT:g} s; does it hang?"
                )
            await asyncio.sleep(0.05)
        yield
