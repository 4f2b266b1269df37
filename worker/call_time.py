"""How long may one call of the function take, and how does it wait for a limit meanwhile?

The time that a call waits for a limit does not count: its deadline and the watch of the heartbeat
stand still.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

CANCEL_GRACE = 1.0  # seconds that an awaited function has to end once it is cancelled

CallStarted = Callable[[float], object]
"""Watch a call that may take so many seconds; returns a token."""
CallEnded = Callable[[object], None]


class LimitWaits(Protocol):
    """The limits of a stage, as its functions wait for them."""

    async def wait(self, name: str, *, in_thread: bool = False) -> None:
        """Return when the function may go on. Raises UnknownLimitError, and CallAbandonedError when
        the stage ends. `in_thread`: a thread stands still until then."""

    def is_short(self) -> bool:
        """Return True if a function that waits for a limit of this stage now has to wait for so
        long that what is settled should be committed before."""


class UnknownLimitError(LookupError):
    """The file has no limit of that name."""


class CallAbandonedError(BaseException):
    """The stage ends while its function waits for a limit. The event is not settled: whoever has
    the lane next handles it. No Exception, so that functions do not take it for one of theirs."""


class CallTerms(NamedTuple):
    """What holds for each call of a function."""

    timeout: float
    """Seconds."""
    call_started: CallStarted
    call_ended: CallEnded
    limits: LimitWaits


class LimitedCall(Protocol):
    """A call under way, as its Context knows it."""

    @property
    def waited(self) -> float:
        """How many seconds it has waited for limits; they do not count for its time-out."""

    def limit(self, name: str) -> Awaitable[None]:
        """Wait for a limit: at once in a thread, else when the result is awaited."""


class BlockedCall:
    """The call of a function that may not wait: it runs in the event loop."""

    waited = 0.0

    def limit(self, name: str) -> Awaitable[None]:
        raise RuntimeError(
            f"context.limit({name!r}) would hold the event loop: write the function as `async def`"
            f" with `await context.limit({name!r})`, or give the stage `threads:`"
        )


BLOCKED_CALL = BlockedCall()


class AwaitedCall:
    """The call of a function that is awaited, and its deadline."""

    def __init__(self, terms: CallTerms) -> None:
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + terms.timeout
        self.waited = 0.0
        self._scope: asyncio.Timeout | None = None
        self._watched: object = None
        self._waits = 0
        self._waits_since = 0.0

    @property
    def is_over(self) -> bool:
        """True if the deadline has passed."""
        return self._loop.time() > self._ends

    def limit(self, name: str) -> Coroutine[Any, Any, None]:
        return self._wait(name)

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Cancel what the block awaits when the deadline passes, and raise TimeoutError. A function
        that ignores the cancellation is left to the heartbeat's watchdog."""
        self._watched = self._watch()
        try:
            async with asyncio.timeout_at(self._ends) as self._scope:
                yield
        except TimeoutError:
            if self._scope is not None and self._scope.expired():
                raise self.timeout_error() from None
            raise  # the function's own
        finally:
            self._scope = None
            self._terms.call_ended(self._watched)

    def timeout_error(self) -> TimeoutError:
        return TimeoutError(f"no result within {self._terms.timeout:g} s (the stage's `timeout:`)")

    async def _wait(self, name: str) -> None:
        self._waits += 1
        if self._waits == 1:
            self._stop_time()
        try:
            await self._terms.limits.wait(name)
        finally:
            self._waits -= 1
            if not self._waits:
                self._let_time_go_on()

    def _stop_time(self) -> None:
        self._waits_since = self._loop.time()
        if self._scope is not None:
            self._scope.reschedule(None)
            self._terms.call_ended(self._watched)

    def _let_time_go_on(self) -> None:
        waited = self._loop.time() - self._waits_since
        self._ends += waited
        self.waited += waited
        if self._scope is not None:
            self._scope.reschedule(self._ends)
            self._watched = self._watch()

    def _watch(self) -> object:
        return self._terms.call_started(max(0.0, self._ends - self._loop.time()) + CANCEL_GRACE)


class ThreadCall:
    """The call of a function in a thread. It is made in the event loop."""

    def __init__(self, terms: CallTerms) -> None:
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._left = terms.timeout
        self.waited = 0.0
        self._began = 0.0
        self._watched: object = None
        self._waiting: Future[None] | None = None
        self._is_abandoned = False

    def __enter__(self) -> None:
        """Watch the call from here on: the time in which it waits for a thread does not count."""
        self._watch()

    def __exit__(self, *_: object) -> None:
        self._terms.call_ended(self._watched)

    def limit(self, name: str) -> Awaitable[None]:
        waits_since = time.monotonic()
        self._left -= waits_since - self._began
        self._terms.call_ended(self._watched)
        try:
            wait = self._terms.limits.wait(name, in_thread=True)
            self._waiting = asyncio.run_coroutine_threadsafe(wait, self._loop)
            if self._is_abandoned:
                self._waiting.cancel()
            self._waiting.result()
        except CancelledError:
            raise CallAbandonedError from None
        finally:
            self._waiting = None
            self.waited += time.monotonic() - waits_since
            self._watch()
        return _Passed()

    def abandon(self) -> None:
        """Let the thread wait no longer; called in the event loop."""
        self._is_abandoned = True
        if self._waiting is not None:
            self._waiting.cancel()

    def _watch(self) -> None:
        self._began = time.monotonic()
        self._watched = self._terms.call_started(max(0.0, self._left))


class _Passed:
    """What a function in a thread gets: it has waited already, but may await it."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


class NoLimits:
    """The limits where there are none, for example of a stage whose file has no `limits:`."""

    async def wait(self, name: str, *, in_thread: bool = False) -> None:
        raise UnknownLimitError(f"there is no limit {name!r} here")

    def is_short(self) -> bool:
        return False


NO_LIMITS = NoLimits()
