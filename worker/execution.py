"""What does one call of the function, with one event or a list of them, put into a transaction?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from farandole.events.outcome import Outcome
from farandole.worker.admission import AdmittedEvent
from farandole.worker.invoker import Invoker
from farandole.worker.ledger_entries import count_lines
from farandole.worker.limits import TIME_SLICE
from farandole.worker.output_routing import InvalidResultError, UndeclaredOutputError
from farandole.worker.transaction_buffer import TransactionBuffer


class Execution:
    """The function of a stage, for one lane. Its calls raise whatever the function raises,
    WrongResult and TooMuch; then nothing of them is in the buffer."""

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker
        self._many = invoker.signature.returns_many or invoker.signature.kind == "async generator"
        self._slice_ends = 0.0

    @property
    def is_straight(self) -> bool:
        """Does it take one event and give one, without anything to await?"""
        return self._invoker.inline and not self._many and not self._invoker.signature.takes_batch

    async def handle_one(
        self, buffer: TransactionBuffer, event: AdmittedEvent, attempt: int
    ) -> None:
        await self._in_own_task(self._handle_one(buffer, event, attempt))

    async def handle_batch(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent], attempt: int
    ) -> None:
        await self._in_own_task(self._handle_batch(buffer, events, attempt))

    async def yield_to_loop(self) -> None:
        """Let heartbeats and the other lanes run, if this one has had its slice."""
        if time.monotonic() >= self._slice_ends:
            await asyncio.sleep(0)
            self._slice_ends = time.monotonic() + TIME_SLICE

    async def _handle_one(
        self, buffer: TransactionBuffer, event: AdmittedEvent, attempt: int
    ) -> None:
        record, lineage, outputs, data = event
        keywords = self._invoker.keywords(outputs.keywords, record, lineage, attempt)
        results = await self._invoker.call(data, keywords)
        emitted = await self._emitted(buffer, event, results)
        dropped = not emitted and outputs.names
        account = buffer.settle(record, lineage, Outcome.DROPPED if dropped else Outcome.HANDLED)
        if lineage.edge.listed:
            account.lines += count_lines(data)

    async def _emitted(self, buffer: TransactionBuffer, event: AdmittedEvent, results: Any) -> bool:
        """Whether anything came of it."""
        record, lineage, outputs, _ = event
        if self._invoker.signature.is_passthrough and not outputs.names:
            return False  # the last of its path
        if self._many:
            many = buffer.many(record, lineage, outputs)
            await self._add_each(results, many.add)
            many.write()
            return len(many) > 0
        if results is None:
            return False
        account = buffer.account(record, lineage)
        try:
            buffer.emit(record, lineage.edge, lineage.inherited, outputs, account, results)
        except UndeclaredOutputError:
            return False
        return True

    async def _handle_batch(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent], attempt: int
    ) -> None:
        record, lineage, outputs, _ = events[0]
        of_one_run = all(e.lineage.run == lineage.run for e in events)
        run = lineage if of_one_run else None
        keywords = self._invoker.keywords(outputs.keywords, None, run, attempt)
        results = await self._invoker.call([e.data for e in events], keywords)
        many = buffer.many(record, lineage, outputs, len(events) - 1)
        if self._many:
            await self._add_each(results, many.add)
        elif results is not None:
            many.add(results)
        many.write()
        dropped = not len(many) and outputs.names
        outcome = Outcome.DROPPED if dropped else Outcome.HANDLED
        for event in events:
            account = buffer.settle(event.record, event.lineage, outcome)
            if event.lineage.edge.listed:
                account.lines += count_lines(event.data)

    async def _in_own_task(self, work: Coroutine[Any, Any, None]) -> None:
        """A function that is awaited is at work in a task of its own: it may cancel that one, and
        not the lane."""
        if not self._invoker.signature.kind.startswith("async"):
            await work
            return
        failure = await asyncio.create_task(_failure_of(work))
        if failure is not None:
            raise failure

    async def _add_each(self, results: Any, add: Callable[[Any], None]) -> None:
        """Add each result that is not None, breathing in between. Raises WrongResult."""
        if results is None:
            return
        if hasattr(results, "__aiter__"):
            async for result in results:
                if result is not None:
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
            if result is not None:
                add(result)
            if time.monotonic() >= self._slice_ends:
                await self.yield_to_loop()


async def _failure_of(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """What it raised; a task that raises SystemExit itself would end the loop with it."""
    try:
        await work
    except BaseException as error:  # noqa: BLE001 -- handed on
        return error
    return None
