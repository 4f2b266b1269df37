"""How is a stage's function called: in the event loop, in a thread, or awaited?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice
from typing import Any

from farandole.events.topology_version import StageSpec
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.stages.function_signature import StageSignature
from farandole.worker.call_time import (
    NO_LIMITS,
    AwaitedCall,
    CallAbandonedError,
    CallTerms,
    LimitWaits,
    ThreadCall,
)
from farandole.worker.event_facts import HandledEvent
from farandole.worker.flag_reads import FlagReads
from farandole.worker.limits import MAX_EVENT_RESULTS
from farandole.worker.stage_context import StageContext
from farandole.worker.transaction_buffer import OutputTooLargeError


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
    limits: LimitWaits = NO_LIMITS
    """What functions wait for by `context.limit`."""

    @property
    def is_inline(self) -> bool:
        """True if the function is called in the event loop, and not awaited."""
        return self.threads is None and self.signature.kind in ("plain", "generator")

    def arguments(
        self,
        given: Mapping[str, Any],
        handled: Sequence[HandledEvent],
        attempt: int,
        flags: FlagReads,
    ) -> Mapping[str, Any]:
        """Return the arguments in `given`, and with them the Context of these events, or the record
        of the one event, if the function takes that. `flags`: those of the transaction."""
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
            flags,
            takes_batch=self.signature.takes_batch,
        )
        return {**given, self.signature.context_parameter: context}

    async def call(self, data: Any, arguments: Mapping[str, Any]) -> Any:
        """Return what the function returns: a value, None, or an iterable of values. Raises what it
        raises, TimeoutError if it is awaited and takes too long, and CallAbandonedError."""
        function = self.function
        if self.is_inline:
            return function(data, **arguments)
        terms = CallTerms(self.settings.timeout, self.call_started, self.call_ended, self.limits)
        context = arguments.get(self.signature.context_parameter or "")
        if self.signature.kind in ("plain", "generator"):
            thread_call = ThreadCall(terms)
            if context is not None:
                context.call = thread_call
            return await self._call_in_thread(thread_call, data, arguments)
        call = AwaitedCall(terms)
        if context is not None:
            context.call = call
        if self.signature.kind == "async generator":
            return _results_until_deadline(call, function(data, **arguments))
        async with call.deadline():
            return await function(data, **arguments)

    async def _call_in_thread(
        self, call: ThreadCall, data: Any, arguments: Mapping[str, Any]
    ) -> Any:
        def in_thread() -> Any:
            with call:
                return _call_in_thread(self.function, data, arguments)

        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.threads, copy_context().run, in_thread)
        except asyncio.CancelledError:
            call.abandon()
            raise


async def _results_until_deadline(
    call: AwaitedCall, results: AsyncGenerator[Any, None]
) -> AsyncIterator[Any]:
    """Yield the results of an async generator, with one deadline for all of them.

    The deadline applies only while we wait for the generator: left open across a `yield`, it
    would cancel the caller that takes the results.
    """
    async with aclosing(results):
        while True:
            async with call.deadline():
                try:
                    result = await anext(results)
                except StopAsyncIteration:
                    return
                if call.is_over:  # it never waits: not interrupted
                    raise call.timeout_error()
            yield result


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
    return isinstance(error, GeneratorExit | OutcomeUnknownError | CallAbandonedError)
