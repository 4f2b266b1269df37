"""Whose turn is it, of all processes that would do the same thing?"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from farandole.broker.errors import Unanswered

_PATIENCE = 300.0  # seconds; a first download may take its time


@contextlib.asynccontextmanager
async def locked(file: Path, waiting: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """One at a time; the lock ends with the process that holds it. `waiting` is called once if it
    is not our turn. Raises Unanswered."""
    ends = time.monotonic() + _PATIENCE
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
                raise Unanswered(
                    f"another process has held {file} for {_PATIENCE:g} s; does it hang?"
                )
            await asyncio.sleep(0.05)
        yield
