"""How often is an event tried, here and now or later, before it is given up?"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog

from farandole.events.dead_letter import safe_error_message
from farandole.events.error_names import published_error_name
from farandole.events.record import Record
from farandole.events.retry_record import MAX_RETRY_MESSAGE_LENGTH, ParkedEvent, to_parked_event
from farandole.events.safe_text import escape_surrogates
from farandole.events.topology_version import RetryPolicy
from farandole.worker.admission import Admission, AdmittedEvent
from farandole.worker.dead_letter_writer import DeadLetterWriter
from farandole.worker.execution import Execution
from farandole.worker.invoker import is_lane_failure
from farandole.worker.limits import MAX_RETRY_ROW_BYTES
from farandole.worker.log_throttle import LogThrottle
from farandole.worker.output_routing import as_stage_error
from farandole.worker.retry_policy import (
    backoff_seconds,
    is_exhausted,
    is_retryable,
    waits_in_place,
)
from farandole.worker.retry_queue import RetryQueue
from farandole.worker.transaction_buffer import OutputTooLargeError, TransactionBuffer

log = structlog.get_logger()


class RetryExecutor:
    """The tries of one lane. `clock`: seconds of the epoch."""

    def __init__(
        self,
        stage: str,
        retry: RetryPolicy,
        reading: Admission,
        applying: Execution,
        lot: RetryQueue,
        burial: DeadLetterWriter,
        clock: Callable[[], float],
    ) -> None:
        self._stage = stage
        self._retry = retry
        self._reading = reading
        self._applying = applying
        self._lot = lot
        self._burial = burial
        self._clock = clock
        self._sparing = LogThrottle()

    async def one(
        self, draft: TransactionBuffer, record: Record, failure: BaseException | None = None
    ) -> None:
        """Settle one event, with every try that it may have in place, or let it wait. `failure`: of
        a first try, made."""
        if await self.stands_behind(draft, record):
            return
        first = self._clock()
        attempt = record.attempts if isinstance(record, ParkedEvent) else 0
        attempt += failure is not None
        while True:
            if failure is not None:
                pause = self._failed(draft, record, as_stage_error(failure), attempt, first)
                if pause is None:
                    break
                await asyncio.sleep(pause)
            attempt += 1
            try:
                event = await self._reading.event(draft, record)
                if event is not None:
                    await self._applying.to_one(draft, event, attempt)
            except BaseException as error:
                if is_lane_failure(error):
                    raise
                failure = error
            else:
                if event is not None:
                    self._succeeded(record)
                break
        self._lot.over(draft, record)

    async def all(self, draft: TransactionBuffer, records: Sequence[Record]) -> int:
        """Settle a run of events with one call, or let some wait; returns how many."""
        events: list[AdmittedEvent] = []
        settled, left = 0, {id(record) for record in records if self._lot.left(record)}
        for record in records:
            if id(record) not in left and not await self.stands_behind(draft, record):
                event = await self._reading.readable(draft, record)
                if event is not None:
                    if events and not _can_share_call(event, events[0]):
                        break
                    events.append(event)
            settled += 1
            await self._applying.breathe()
        if events:
            await self._bisected(draft, events, self._retry.attempts)
        for record in records[:settled]:
            if id(record) not in left:
                self._lot.over(draft, record)
        return settled

    async def stands_behind(self, draft: TransactionBuffer, record: Record) -> bool:
        """Let an event wait if an earlier one of its key does."""
        if isinstance(record, ParkedEvent) or not self._lot.parking.behind(record):
            return False
        event = await self._reading.readable(draft, record)
        if event is not None:
            self._queue(draft, event)
        return True

    async def _bisected(
        self, draft: TransactionBuffer, events: Sequence[AdmittedEvent], attempts: int
    ) -> None:
        """Call with all of them; where that fails, with each half, down to the failing events,
        which wait or die."""
        events = [event for event in events if not self._waits_now(draft, event)]
        if not events:
            return
        first, attempt = self._clock(), 0
        while True:
            attempt += 1
            try:
                await self._applying.to_all(draft, events, attempt)
            except BaseException as error:
                if is_lane_failure(error):
                    raise
                failure = as_stage_error(error)
            else:
                self._succeeded(events[0].record)  # one call is one try
                return
            if self._lot.parks and len(events) == 1:
                (event,) = events
                waited = event.record.attempts if isinstance(event.record, ParkedEvent) else 0
                pause = self._failed(draft, event.record, failure, waited + attempt, first)
                if pause is None:
                    return
            else:
                # Not counted: of the calls above one bad event every one fails.
                final = attempt >= attempts or not is_retryable(self._retry, failure)
                pause = backoff_seconds(self._retry, attempt, random.random)
                if final or (self._lot.parks and not waits_in_place(self._retry, attempt)):
                    break
            await asyncio.sleep(pause)
        if len(events) == 1:
            self._burial.failed(draft, events[0].record, failure, attempt, first)
            return
        half = len(events) // 2
        # The whole was tried in full; each part is tried once, or a dependency that is away would
        # cost every backoff again at each level.
        await self._bisected(draft, events[:half], 1)
        await self._bisected(draft, events[half:], 1)

    def _waits_now(self, draft: TransactionBuffer, event: AdmittedEvent) -> bool:
        """Let an event wait if the lane has begun to hold, or one of its key to wait, meanwhile."""
        record = event.record
        behind = not isinstance(record, ParkedEvent) and self._lot.parking.behind(record)
        if not behind and not (self._lot.resting and self._lot.fits(to_parked_event(record))):
            return False
        self._queue(draft, event)
        return True

    def _queue(self, draft: TransactionBuffer, event: AdmittedEvent) -> None:
        """Let an event wait that is not to be tried now."""
        now = int(self._clock() * 1000)
        waits = to_parked_event(event.record)
        waits = waits._replace(since=waits.since or now, due=waits.due or now)
        if not self._lot.fits(waits):
            large = OutputTooLargeError(
                f"it cannot wait: its row would be larger than {MAX_RETRY_ROW_BYTES} bytes"
            )
            self._burial.failed(draft, event.record, large, 1, self._clock())
            return
        self._lot.park(draft, event.record, event.lineage, waits)

    def _succeeded(self, record: Record) -> None:
        self._lot.tried(1)
        if isinstance(record, ParkedEvent):
            self._lot.parking.lived(record)

    def _failed(
        self,
        draft: TransactionBuffer,
        record: Record,
        error: BaseException,
        attempt: int,
        first: float,
    ) -> float | None:
        """Bury an event, or let it wait; or say in how many seconds it is tried in place. It has
        been at work since `first`, and has failed `attempt` times."""
        retry, lot = self._retry, self._lot
        if not is_retryable(retry, error):
            self._burial.failed(draft, record, error, attempt, first)
            return None
        now = self._clock()
        event = _with_failure(record, error, attempt, first, now)
        lot.tried(1, failures=1)
        fits = lot.fits(event)
        holds = fits and lot.breaker.open
        lot.why = f"{event.error}: {event.message}"
        waited = now - max(event.since / 1000, lot.breaker.closed_at)
        if not holds and (lot.parking.hopeless(event) or is_exhausted(retry, attempt, waited)):
            self._burial.failed(draft, record, error, attempt, first)
            if isinstance(record, ParkedEvent):
                lot.parking.died(record)
            return None
        pause = backoff_seconds(retry, attempt, random.random)
        self._say(event, pause)
        if not fits or (waits_in_place(retry, attempt) and not holds):
            return pause
        # While the lane holds its input nothing is used up.
        due, counted = int((now + pause) * 1000), attempt - holds
        lot.park(
            draft,
            record,
            self._burial.lineage(record),
            event._replace(attempts=counted, due=due),
        )
        return None

    def _say(self, event: ParkedEvent, pause: float) -> None:
        unsaid = self._sparing.due(event.error, time.monotonic())
        if unsaid is not None:
            log.info(
                "event.retried",
                stage=self._stage,
                position=event.place.decode(),
                attempt=event.attempts,
                seconds=round(pause, 3),
                error=event.error,
                message=event.message[:200],
                unsaid=unsaid,
            )


def _can_share_call(event: AdmittedEvent, first: AdmittedEvent) -> bool:
    """Can one call handle both? What it emits belongs to one run; its parameters are those of one
    version."""
    if event.outputs.keywords != first.outputs.keywords:
        return False
    return not event.outputs.names or event.lineage.run == first.lineage.run


def _with_failure(
    record: Record, error: BaseException, attempt: int, first: float, now: float
) -> ParkedEvent:
    """An event that failed, with the account of it."""
    event = to_parked_event(record)
    since = event.since or int(first * 1000)
    failed = int(now * 1000) if event is record else since
    return event._replace(
        attempts=attempt,
        since=since,
        first_failed=event.first_failed or failed,
        last_failed=int(now * 1000),
        error=_safe_text(published_error_name(type(error))),
        message=_safe_text(safe_error_message(error)),
    )


def _safe_text(text: str) -> str:
    """Short, and UTF-8: a lone surrogate is hostile, not fatal."""
    return escape_surrogates(text[:MAX_RETRY_MESSAGE_LENGTH])
