"""What can a coroutine do to the loop that it runs in?"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from stages.hostile.asked import Asked, Done


async def wait(asked: Asked) -> Done:
    """As it is told."""
    match asked.do:
        case "hang":
            await asyncio.Event().wait()
        case "refuse to be cancelled":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ValueError("not I") from None
        case "refuse to end":
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        case "cancel the task":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        case "leave a task behind":
            asyncio.get_running_loop().call_soon(_fail)
        case "stop the loop":
            asyncio.get_running_loop().stop()
            await asyncio.Event().wait()
    return Done(n=asked.n)


def _fail() -> None:
    raise ValueError("in nobody's name")
