"""How does a candidate wait for a limit that its worker shares with all others?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from farandole.worker.call_time import UnknownLimitError


class WorkerLimits:
    """The limits of the worker, in the process of a candidate: a
    `farandole.worker.call_time.LimitWaits`."""

    def __init__(self, ask: Callable[[int, str], None]) -> None:
        """`ask` tells the worker that the wait with this number asks for a limit."""
        self._ask = ask
        self._waits: dict[int, asyncio.Future[str]] = {}
        self._asked = 0
        self.waited = 0.0
        """Seconds that functions have waited so far."""

    async def wait(self, name: str, *, in_thread: bool = False) -> None:
        """Return when the worker says that the function may go on. Raises UnknownLimitError."""
        began = time.perf_counter()
        number = self._asked = self._asked + 1
        answer = self._waits[number] = asyncio.get_running_loop().create_future()
        try:
            self._ask(number, name)
            problem = await answer
        finally:
            del self._waits[number]
            self.waited += time.perf_counter() - began
        if problem:
            raise UnknownLimitError(problem)

    def is_short(self) -> bool:
        return False

    def passed(self, number: int, problem: str) -> None:
        """Let a wait go on; `problem` says why it cannot."""
        answer = self._waits.get(number)
        if answer is not None and not answer.done():
            answer.set_result(problem)
