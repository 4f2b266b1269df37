"""How is an event tried, in place and from the retry queue, until it is settled?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from farandole.events.record import Record
from farandole.events.retry_record import ParkedEvent
from farandole.events.topology_version import RetryPolicy
from farandole.worker.admission import Admission, AdmittedEvent
from farandole.worker.candidates.lane_canary import LaneCanary
from farandole.worker.candidates.lane_shadow import LaneShadow
from farandole.worker.codecs import as_stage_error
from farandole.worker.dead_letter_writer import DeadLetterWriter
from farandole.worker.execution import Execution
from farandole.worker.invoker import is_lane_failure
from farandole.worker.limits import MAX_RETRY_ROW_BYTES
from farandole.worker.retry_policy import (
    GiveUp,
    RetryInPlace,
    backoff_seconds,
    is_retryable,
    waits_in_place,
)
from farandole.worker.retry_queue import Failure, RetryQueue, Turn
from farandole.worker.row_gate import RowRejectedError
from farandole.worker.transaction_buffer import OutputTooLargeError, TransactionBuffer


class RetryExecutor:
    """The tries of one lane. `clock`: seconds of the epoch."""

    def __init__(
        self,
        retry: RetryPolicy,
        admission: Admission,
        execution: Execution,
        canary: LaneCanary,
        retry_queue: RetryQueue,
        dead_letters: DeadLetterWriter,
        shadow: LaneShadow,
        clock: Callable[[], float],
    ) -> None:
        self._retry = retry
        self._admission = admission
        self._execution = execution
        self._canary = canary
        self._retry_queue = retry_queue
        self._dead_letters = dead_letters
        self._shadow = shadow
        self._clock = clock

    async def settle_one(
        self,
        buffer: TransactionBuffer,
        record: Record,
        first_failure: BaseException | None = None,
    ) -> None:
        """Settle one event with all of its tries in place, or park it. `first_failure`: the error
        of the first try, if that was made already."""
        first_at = self._clock()
        error = first_failure
        attempt = record.attempts if isinstance(record, ParkedEvent) else 0
        attempt += error is not None
        while True:
            if error is not None:
                variant = self._canary.variant_of(record)
                failure = Failure(as_stage_error(error), attempt, first_at, variant)
                seconds = self._fail(buffer, record, failure)
                if seconds is None:
                    break
                await asyncio.sleep(seconds)
            attempt += 1
            try:
                event = await self._admission.admit(buffer, record)
                if event is not None and event.parked is not None:
                    self._park_for_person(buffer, event)
                    break
                if event is not None:
                    took = await self._canary.handle_one(buffer, event, attempt)
            except BaseException as raised:
                if is_lane_failure(raised):
                    raise
                error = raised
                if not isinstance(error, RowRejectedError):  # of the data: no function was called
                    self._canary.observe(record, attempt, None, failed=True)
            else:
                if event is not None and not event.path.is_bypass:
                    by_candidate = self._canary.takes(record)
                    self._retry_queue.succeed(record, by_candidate=by_candidate)
                    self._canary.observe(record, attempt, took, failed=False)
                break
        self._retry_queue.complete(buffer, record)

    async def settle_batch(self, buffer: TransactionBuffer, records: Sequence[Record]) -> int:
        """Settle the first of these events with one call, and park those that fail or are blocked.
        Returns the number of records that are settled or parked."""
        events: list[AdmittedEvent] = []
        done = 0
        turns = self._retry_queue.admit_call(buffer, records)
        for record, turn in zip(records, turns, strict=True):
            if turn is Turn.BLOCKED:
                await self.defer(buffer, record)
            elif turn is Turn.NOW:
                event = await self._admission.admit_or_bury(buffer, record)
                if event is None:
                    self._retry_queue.complete(buffer, record)
                elif event.parked is not None:
                    if events:
                        break  # one of these may be of its key, and have to wait before it
                    self._park_for_person(buffer, event)
                    self._retry_queue.complete(buffer, record)
                else:
                    if events and not _can_share_call(event, events[0]):
                        break
                    events.append(event)
            done += 1
            await self._execution.yield_to_loop()
        if events:
            for of_variant in self._canary.by_variant(events):
                await self._bisect(buffer, of_variant, self._retry.attempts)
        return done

    async def defer(self, buffer: TransactionBuffer, record: Record) -> None:
        """Park an event because an earlier one of its key is parked."""
        event = await self._admission.admit_or_bury(buffer, record)
        if event is not None:  # one that breaks a check is judged again when it is its turn
            self._defer(buffer, event)

    async def _bisect(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent], attempts: int
    ) -> None:
        """Call the function with all events; where that fails, with each half, down to the failing
        events, which are parked or become dead letters. `attempts`: how often the call with all
        events is tried."""
        events = self._still_in_turn(buffer, events)
        if not events:
            return
        mark = self._shadow.begin(buffer, events[0].record)
        first_at, attempt = self._clock(), 0
        while True:
            attempt += 1
            try:
                await self._canary.handle_batch(buffer, events, attempt)
            except BaseException as raised:
                if is_lane_failure(raised):
                    raise
                error = as_stage_error(raised)
            else:
                by_candidate = self._canary.takes(events[0].record)
                self._retry_queue.succeed(
                    *(event.record for event in events), by_candidate=by_candidate
                )
                for event in events:
                    self._observe_one_of_batch(event.record, failed=False)
                    self._retry_queue.complete(buffer, event.record)
                if mark is not None:
                    self._shadow.end(buffer, mark, [event.record for event in events])
                return
            if self._retry_queue.can_park and len(events) == 1:
                record = events[0].record
                before = record.attempts if isinstance(record, ParkedEvent) else 0
                variant = self._canary.variant_of(record)
                failure = Failure(error, before + attempt, first_at, variant)
                seconds = self._fail(buffer, record, failure)
                if seconds is None:
                    self._observe_one_of_batch(record, failed=True)
                    self._retry_queue.complete(buffer, record)
                    if mark is not None:
                        self._shadow.end(buffer, mark, [record])
                    return
            else:
                # The breaker does not count this: one bad event fails every call that has it.
                final = attempt >= attempts or not is_retryable(self._retry, error)
                seconds = backoff_seconds(self._retry, attempt, random.random)
                parks = self._retry_queue.can_park and not waits_in_place(self._retry, attempt)
                if final or parks:
                    break
            await asyncio.sleep(seconds)
        if len(events) == 1:
            record = events[0].record
            failure = Failure(error, attempt, first_at, self._canary.variant_of(record))
            self._observe_one_of_batch(record, failed=True)
            self._dead_letters.write_failed(buffer, record, *failure)
            if mark is not None:
                self._shadow.end(buffer, mark, [record])
            return
        half = len(events) // 2
        # The whole was tried in full; each part is tried once, or a dependency that is down would
        # cost every backoff again at each level.
        await self._bisect(buffer, events[:half], 1)
        await self._bisect(buffer, events[half:], 1)

    def _observe_one_of_batch(self, record: Record, *, failed: bool) -> None:
        """Let the canary count what became of an event: one fails every call that has it, so only
        the one that fails alone counts as failed."""
        before = record.attempts if isinstance(record, ParkedEvent) else 0
        self._canary.observe(record, before + 1, None, failed=failed)

    def _fail(self, buffer: TransactionBuffer, record: Record, failure: Failure) -> float | None:
        """Decide what happens to an event that failed. Return the seconds after which it is tried
        again in place; None if it was parked, or its dead letter was written."""
        decision = self._retry_queue.fail(buffer, record, failure)
        if isinstance(decision, GiveUp):
            self._dead_letters.write_failed(buffer, record, *failure)
        return decision.seconds if isinstance(decision, RetryInPlace) else None

    def _still_in_turn(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent]
    ) -> Sequence[AdmittedEvent]:
        """Return the events that are to be tried now, in one call. The others wait: those of the
        input are parked, those that are parked stay as they are."""
        queue, records = self._retry_queue, [event.record for event in events]
        if isinstance(records[0], ParkedEvent):
            if queue.is_blocking:
                return ()
            turns = queue.admit_call(buffer, records)
            return [event for event, turn in zip(events, turns, strict=True) if turn is Turn.NOW]
        tried = []
        for event in events:
            if queue.must_defer(event.record):
                self._defer(buffer, event)
            else:
                tried.append(event)
        return tried

    def _park_for_person(self, buffer: TransactionBuffer, event: AdmittedEvent) -> None:
        """Let an event wait that breaks a check of its data; where it cannot, write its dead
        letter."""
        assert event.parked is not None
        why_not = self._retry_queue.park_for_person(
            buffer, event.record, event.lineage, event.parked
        )
        if why_not:
            error = RowRejectedError(f"{event.parked}; it cannot be parked: {why_not}")
            self._dead_letters.write_failed(buffer, event.record, error, 1, self._clock())

    def _defer(self, buffer: TransactionBuffer, event: AdmittedEvent) -> None:
        """Park an event, or write its dead letter if its row would be too large."""
        if self._retry_queue.defer(buffer, event.record, event.lineage):
            return
        error = OutputTooLargeError(
            f"it cannot wait: its row would be larger than {MAX_RETRY_ROW_BYTES} bytes"
        )
        self._dead_letters.write_failed(buffer, event.record, error, 1, self._clock())


def _can_share_call(event: AdmittedEvent, first: AdmittedEvent) -> bool:
    """Return True if one call can handle both: its parameters are those of one version, and what it
    emits belongs to one run and version."""
    if event.path.fixed_arguments != first.path.fixed_arguments:
        return False
    if not (event.path.declares_outputs or first.path.declares_outputs):
        return True
    one_version = event.path.edge.version is first.path.edge.version
    return one_version and event.lineage.run == first.lineage.run
