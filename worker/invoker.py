"""How is a stage's function called: in the event loop, in a thread, or awaited?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from farandole.events.topology_version import StageSpec
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.stages.function_signature import StageSignature
from farandole.worker.event_facts import HandledEvent
from farandole.worker.limits import MAX_EVENT_RESULTS
from farandole.worker.stage_context import StageContext
from farandole.worker.transaction_buffer import OutputTooLargeError

_CANCEL_GRACE = 1.0  # seconds that an awaited function has to end once it is cancelled


@dataclass(frozen=True, slots=True)
class Invoker:
    """A function and the way to call it.

    `call_started` and `call_ended` tell the heartbeat which call is under way, in a thread or
    awaited, so that one that hangs is found.
    """

    pipeline: str
    stage: str
    settings: StageSpec
    function: Callable[..., Any]
    signature: StageSignature
    threads: ThreadPoolExecutor | None
    call_started: Callable[[float], object]
    call_ended: Callable[[object], None]

    @property
    def is_inline(self) -> bool:
        """True if the function is called in the event loop, and not awaited."""
        return self.threads is None and self.signature.kind in ("plain", "generator")

    def arguments(
        self,
        given: Mapping[str, Any],
        handled: Sequence[HandledEvent],
        attempt: int,
    ) -> Mapping[str, Any]:
        """Return the arguments in `given`, and with them the Context of these events, or the record
        of the one event, if the function takes that."""
        if self.signature.record_parameter is not None:
            ((record, *_),) = handled
            return {**given, self.signature.record_parameter: record}
        if self.signature.context_parameter is None:
            return given
        context = StageContext(
            self.pipeline,
            self.stage,
            attempt,
            time.monotonic() + self.settings.timeout,
            handled,
            takes_batch=self.signature.takes_batch,
        )
        return {**given, self.signature.context_parameter: context}

    async def call(self, data: Any, arguments: Mapping[str, Any]) -> Any:
        """Return what the function returns: a value, None, or an iterable of values. Raises what it
        raises, and TimeoutError if it is awaited and takes too long."""
        function = self.function
        if self.is_inline:
            return function(data, **arguments)
        if self.signature.kind == "async generator":
            return self._results_until_deadline(function(data, **arguments))
        if self.signature.kind == "async":
            async with self._deadline(self._deadline_time()):
                return await function(data, **arguments)
        loop = asyncio.get_running_loop()
        call = partial(self._in_thread, data, arguments)
        return await loop.run_in_executor(self.threads, copy_context().run, call)

    def _in_thread(self, data: Any, arguments: Mapping[str, Any]) -> Any:
        # Watched from here on: the time in which the call waits for a thread does not count.
        watched = self.call_started(self.settings.timeout)
        try:
            return _call_in_thread(self.function, data, arguments)
        finally:
            self.call_ended(watched)

    async def _results_until_deadline(
        self, results: AsyncGenerator[Any, None]
    ) -> AsyncIterator[Any]:
        """Yield the results of an async generator, with one deadline for all of them.

        The deadline applies only while we wait for the generator: left open across a `yield`, it
        would cancel the caller that takes the results.
        """
        ends = self._deadline_time()
        async with aclosing(results):
            while True:
                async with self._deadline(ends):
                    try:
                        result = await anext(results)
                    except StopAsyncIteration:
                        return
                    if asyncio.get_running_loop().time() > ends:  # it never waits: not interrupted
                        raise self._timeout_error()
                yield result

    def _deadline_time(self) -> float:
        return asyncio.get_running_loop().time() + self.settings.timeout

    @asynccontextmanager
    async def _deadline(self, ends: float) -> AsyncIterator[None]:
        """Cancel what the block awaits at `ends` and raise TimeoutError. A function that ignores
        the cancellation is left to the heartbeat's watchdog."""
        left = max(0.0, ends - asyncio.get_running_loop().time())
        watched = self.call_started(left + _CANCEL_GRACE)
        scope = asyncio.timeout_at(ends)
        try:
            async with scope:
                yield
        except TimeoutError:
            if scope.expired():
                raise self._timeout_error() from None
            raise  # the function's own
        finally:
            self.call_ended(watched)

    def _timeout_error(self) -> TimeoutError:
        return TimeoutError(
            f"no result within {self.settings.timeout:g} s (the stage's `timeout:`)"
        )


def _call_in_thread(function: Callable[..., Any], data: Any, arguments: Mapping[str, Any]) -> Any:
    """Call the function in this thread. All results of a generator are taken in this thread too,
    not in the event loop."""
    try:
        results = function(data, **arguments)
        if not isinstance(results, Iterator):
            return results
        gathered = list(islice(results, MAX_EVENT_RESULTS + 1))
    except StopIteration as error:  # a future cannot carry it: its caller would wait for ever
        raise RuntimeError("the function raised StopIteration") from error
    if len(gathered) > MAX_EVENT_RESULTS:
        raise OutputTooLargeError(f"it emitted more than {MAX_EVENT_RESULTS} events from one")
    return gathered


def is_lane_failure(error: BaseException) -> bool:
    """Return True if an error ends the lane; False if it is a failure of the event. A `sys.exit()`
    in the function, or a cancellation that is not the lane's, is a failure of the event."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit | OutcomeUnknownError)
