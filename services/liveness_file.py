"""Which file shows the health check of a container that a service is alive?

The service touches the file every second while it is healthy. A process that hangs, or whose event
loop is blocked, does not; nor does a child of a supervisor, which answers for its children.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from farandole.worker.heartbeat import HEARTBEAT_FD_VARIABLE

LIVENESS_FILE_VARIABLE = "FARANDOLE_LIVENESS_FILE"
TOUCH_INTERVAL = 1.0  # seconds


def _always() -> bool:
    return True


@asynccontextmanager
async def liveness_file(is_healthy: Callable[[], bool] = _always) -> AsyncIterator[None]:
    """Touch the file that the environment names while the block runs and `is_healthy` returns
    True. Raises OSError at once if it cannot be written."""
    named = os.environ.get(LIVENESS_FILE_VARIABLE)
    if not named or HEARTBEAT_FD_VARIABLE in os.environ:
        yield
        return
    _touch_if_healthy(Path(named), is_healthy)
    touching = asyncio.create_task(_keep_touching(Path(named), is_healthy))
    try:
        yield
    finally:
        touching.cancel()


async def _keep_touching(file: Path, is_healthy: Callable[[], bool]) -> None:
    while True:
        await asyncio.sleep(TOUCH_INTERVAL)
        _touch_if_healthy(file, is_healthy)


def _touch_if_healthy(file: Path, is_healthy: Callable[[], bool]) -> None:
    if is_healthy():
        file.touch()
