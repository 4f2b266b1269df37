"""How does time pass while a pipeline runs in memory?

Its event loop has a clock of its own. Whenever nothing can be done before the next timer, the clock
jumps to that timer: a backoff of an hour takes no time. Only what happens outside of the loop takes
its real time: a call in a thread, and a function that waits for the network.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Executor
from math import inf
from typing import Any


class VirtualClock:
    """Seconds of the epoch, which pass only when somebody moves them."""

    def __init__(self, start: float) -> None:
        self._start = start
        self.passed = 0.0
        """Seconds since the start."""
        self.calls: set[object] = set()
        """The calls of the user's functions that are under way in a thread, or awaited."""
        self.idle_threads = 0
        """How many threads wait for a limit, which takes no real time."""
        self.find_work: Callable[[], bool] = _nothing
        """Called before each jump: returns True if something can be done now after all."""
        self._limit = inf
        self._on_limit: Callable[[], object] = _nothing

    def now(self) -> float:
        """Return the time, in seconds of the epoch."""
        return self._start + self.passed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.passed += seconds

    def stop_after(self, seconds: float, on_limit: Callable[[], object]) -> None:
        """Do not jump further than `seconds` from now: call `on_limit` instead, once."""
        self._limit, self._on_limit = self.passed + seconds, on_limit

    def jump(self, seconds: float) -> None:
        """Advance by `seconds`, or to the limit if that is nearer."""
        if self.passed + seconds < self._limit:
            self.passed += seconds
            return
        self.passed, self._limit = max(self.passed, self._limit), inf
        self._on_limit()

    def call_started(self, _: float) -> object:
        """Note that a call is under way; `Invoker.call_started`."""
        token = object()
        self.calls.add(token)  # also in threads, which may change a set, but not a number
        return token

    def call_ended(self, token: object) -> None:
        """Note that a call has ended; `Invoker.call_ended`."""
        self.calls.discard(token)


def _nothing() -> bool:
    return False


class _JumpingSelector(selectors.DefaultSelector):
    """Waits by moving a clock, unless something outside of the loop may end the wait."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        sockets = len(self.get_map()) > 1  # the first is the loop's own
        if self.threads > self._clock.idle_threads or (sockets and self._clock.calls):
            began = time.monotonic()
            ready = super().select(timeout)
            self._clock.advance(time.monotonic() - began)
            return ready
        if self._clock.find_work():
            return []
        # Without a timer there is nothing left to wait for: the limit ends the run.
        self._clock.jump(inf if timeout is None else timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of a VirtualClock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._jumping = _JumpingSelector(clock)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._clock.passed

    def run_in_executor(  # type: ignore[override]  # the original is generic
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._jumping.threads -= 1
