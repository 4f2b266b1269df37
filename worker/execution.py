"""What does one call of the function, with one event or a list of them, put into a transaction?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from farandole.events.outcome import Outcome
from farandole.worker.admission import AdmittedEvent
from farandole.worker.codecs import InvalidResultError
from farandole.worker.event_facts import HandledEvent
from farandole.worker.event_path import ResultBatch
from farandole.worker.invoker import Invoker
from farandole.worker.limits import TIME_SLICE
from farandole.worker.transaction_buffer import TransactionBuffer


class Execution:
    """Calls the function of a stage, for one lane. Its methods raise whatever the function raises,
    InvalidResultError and OutputTooLargeError; then nothing of that call is in the buffer."""

    def __init__(self, invoker: Invoker, monotonic: Callable[[], float]) -> None:
        self._invoker = invoker
        self._monotonic = monotonic
        signature = invoker.signature
        self._returns_many = signature.returns_many or signature.kind == "async generator"
        self._slice_ends = 0.0
        self.handled: Sequence[HandledEvent] = ()
        """The events of the call under way, or of the last one."""

    @property
    def is_straight(self) -> bool:
        """True if the function takes one event and returns one result, with nothing to await."""
        one_to_one = not self._returns_many and not self._invoker.signature.takes_batch
        return self._invoker.is_inline and one_to_one

    async def handle_one(
        self, buffer: TransactionBuffer, event: AdmittedEvent, attempt: int
    ) -> None:
        """Call the function with one event, write its results and settle it."""
        await self._in_own_task(self._handle_one(buffer, event, attempt))

    async def handle_batch(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent], attempt: int
    ) -> None:
        """Call the function with a list of events, write its results and settle them all."""
        await self._in_own_task(self._handle_batch(buffer, events, attempt))

    async def yield_to_loop(self) -> None:
        """Let heartbeats and the other lanes run, if this one has used up its slice of time."""
        if self._monotonic() >= self._slice_ends:
            await asyncio.sleep(0)
            self._slice_ends = self._monotonic() + TIME_SLICE

    async def _handle_one(
        self, buffer: TransactionBuffer, event: AdmittedEvent, attempt: int
    ) -> None:
        record, lineage, path, data, raw, _ = event
        lines = path.count_lines(data)
        self.handled = (event,)
        result = data
        if not path.is_bypass:
            result = await self._invoker.call(
                data, path.arguments(self.handled, attempt, buffer.flags)
            )
        outcome: Outcome | None = None
        if path.is_bypass or not self._returns_many:
            account = buffer.emitting_account(record, lineage, path.edge)
            outcome = path.open(buffer).finish(record, raw, lineage.inherited, account, result)
        elif not path.discards_results:
            results = ResultBatch(path, buffer, record, lineage)
            outcome = await self._write(results, result, path.declares_outputs)
        buffer.settle(record, lineage, outcome or Outcome.HANDLED).lines += lines

    async def _handle_batch(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent], attempt: int
    ) -> None:
        _, lineage, path, *_ = events[0]
        lines = [event.path.count_lines(event.data) for event in events]
        self.handled = events
        arguments = path.arguments(events, attempt, buffer.flags)
        result = await self._invoker.call([e.data for e in events], arguments)
        # Markers of transactions, and events of other paths, stand between those of a batch; events
        # that are tried again need not come in their order.
        offsets = [event.record.offset for event in events]
        first = events[offsets.index(min(offsets))].record
        results = ResultBatch(path, buffer, first, lineage, max(offsets) - first.offset)
        outcome = await self._write(results, result, path.declares_outputs)
        for event, number in zip(events, lines, strict=True):
            account = buffer.settle(event.record, event.lineage, outcome or Outcome.HANDLED)
            account.lines += number

    async def _write(
        self, results: ResultBatch, result: Any, declares_outputs: bool
    ) -> Outcome | None:
        """Write all that the function returned, or nothing; returns the outcome of the events that
        caused it, None if they were handled."""
        try:
            if self._returns_many and result is not None:
                await self._add_each(result, results.add)
            else:
                results.add(result)
        except BaseException:
            results.undo()
            raise
        return Outcome.DROPPED if declares_outputs and not len(results) else None

    async def _in_own_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Await the work of an async function in a separate task, because the function may
        cancel the task in which it runs: that must not be the lane's task."""
        if not self._invoker.signature.kind.startswith("async"):
            await work
            return
        failure = await asyncio.create_task(_failure_of(work))
        if failure is not None:
            raise failure

    async def _add_each(self, results: Any, add: Callable[[Any], None]) -> None:
        """Add each result, and let the event loop run in between. Raises InvalidResultError."""
        if hasattr(results, "__aiter__"):
            async for result in results:
                add(result)
                await self.yield_to_loop()
            return
        try:
            iterator = iter(results)
        except TypeError:
            raise InvalidResultError(
                f"it gave a {type(results).__name__}, where it says that it gives several events"
            ) from None
        for result in iterator:
            add(result)
            if self._monotonic() >= self._slice_ends:
                await self.yield_to_loop()


async def _failure_of(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """Return the error that the work raised; None if it raised none. A task that raised SystemExit
    itself would end the event loop."""
    try:
        await work
    except BaseException as error:  # noqa: BLE001 -- handed on
        return error
    return None
