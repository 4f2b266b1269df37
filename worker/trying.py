"""How often is an event tried, here and now or later, before it is given up?"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog

from farandole.events.deadletter import said
from farandole.events.display import encodable
from farandole.events.record import Record
from farandole.events.retry import LONGEST_MESSAGE, Waiting, waiting
from farandole.events.topology import Retry
from farandole.worker.applying import Applying
from farandole.worker.binding import expected
from farandole.worker.burial import Burial
from farandole.worker.calling import from_outside
from farandole.worker.caps import WAITING_BYTES
from farandole.worker.lot import Lot
from farandole.worker.reading import Bound, Reading
from farandole.worker.results import Draft, TooMuch
from farandole.worker.retrying import exhausted, in_place, wait, worth
from farandole.worker.sparing import Sparing

log = structlog.get_logger()


class Trying:
    """The tries of one lane. `clock`: seconds of the epoch."""

    def __init__(
        self,
        stage: str,
        retry: Retry,
        reading: Reading,
        applying: Applying,
        lot: Lot,
        burial: Burial,
        clock: Callable[[], float],
    ) -> None:
        self._stage = stage
        self._retry = retry
        self._reading = reading
        self._applying = applying
        self._lot = lot
        self._burial = burial
        self._clock = clock
        self._sparing = Sparing()

    async def one(self, draft: Draft, record: Record, failure: BaseException | None = None) -> None:
        """Settle one event, with every try that it may have in place, or let it wait. `failure`: of
        a first try, made."""
        if await self.stands_behind(draft, record):
            return
        first = self._clock()
        attempt = record.attempts if isinstance(record, Waiting) else 0
        attempt += failure is not None
        while True:
            if failure is not None:
                pause = self._failed(draft, record, expected(failure), attempt, first)
                if pause is None:
                    break
                await asyncio.sleep(pause)
            attempt += 1
            try:
                event = await self._reading.event(draft, record)
                if event is not None:
                    await self._applying.to_one(draft, event, attempt)
            except BaseException as error:
                if from_outside(error):
                    raise
                failure = error
            else:
                if event is not None:
                    self._succeeded(record)
                break
        self._lot.over(draft, record)

    async def all(self, draft: Draft, records: Sequence[Record]) -> int:
        """Settle a run of events with one call, or let some wait; returns how many."""
        events: list[Bound] = []
        settled, left = 0, {id(record) for record in records if self._lot.left(record)}
        for record in records:
            if id(record) not in left and not await self.stands_behind(draft, record):
                event = await self._reading.readable(draft, record)
                if event is not None:
                    if events and not _together(event, events[0]):
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

    async def stands_behind(self, draft: Draft, record: Record) -> bool:
        """Let an event wait if an earlier one of its key does."""
        if isinstance(record, Waiting) or not self._lot.parking.behind(record):
            return False
        event = await self._reading.readable(draft, record)
        if event is not None:
            self._queue(draft, event)
        return True

    async def _bisected(self, draft: Draft, events: Sequence[Bound], attempts: int) -> None:
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
                if from_outside(error):
                    raise
                failure = expected(error)
            else:
                self._succeeded(events[0].record)  # one call is one try
                return
            if self._lot.parks and len(events) == 1:
                (event,) = events
                waited = event.record.attempts if isinstance(event.record, Waiting) else 0
                pause = self._failed(draft, event.record, failure, waited + attempt, first)
                if pause is None:
                    return
            else:
                # Not counted: of the calls above one bad event every one fails.
                final = attempt >= attempts or not worth(self._retry, failure)
                pause = wait(self._retry, attempt, random.random)
                if final or (self._lot.parks and not in_place(self._retry, attempt)):
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

    def _waits_now(self, draft: Draft, event: Bound) -> bool:
        """Let an event wait if the lane has begun to hold, or one of its key to wait, meanwhile."""
        record = event.record
        behind = not isinstance(record, Waiting) and self._lot.parking.behind(record)
        if not behind and not (self._lot.resting and self._lot.fits(waiting(record))):
            return False
        self._queue(draft, event)
        return True

    def _queue(self, draft: Draft, event: Bound) -> None:
        """Let an event wait that is not to be tried now."""
        now = int(self._clock() * 1000)
        waits = waiting(event.record)
        waits = waits._replace(since=waits.since or now, due=waits.due or now)
        if not self._lot.fits(waits):
            large = TooMuch(f"it cannot wait: its row would be larger than {WAITING_BYTES} bytes")
            self._burial.failed(draft, event.record, large, 1, self._clock())
            return
        self._lot.park(draft, event.record, event.lineage, waits)

    def _succeeded(self, record: Record) -> None:
        self._lot.tried(1)
        if isinstance(record, Waiting):
            self._lot.parking.lived(record)

    def _failed(
        self, draft: Draft, record: Record, error: BaseException, attempt: int, first: float
    ) -> float | None:
        """Bury an event, or let it wait; or say in how many seconds it is tried in place. It has
        been at work since `first`, and has failed `attempt` times."""
        retry, lot = self._retry, self._lot
        if not worth(retry, error):
            self._burial.failed(draft, record, error, attempt, first)
            return None
        now = self._clock()
        event = _again(record, error, attempt, first, now)
        lot.tried(1, failures=1)
        fits = lot.fits(event)
        holds = fits and lot.breaker.open
        lot.why = f"{event.error}: {event.message}"
        waited = now - max(event.since / 1000, lot.breaker.closed_at)
        if not holds and (lot.parking.hopeless(event) or exhausted(retry, attempt, waited)):
            self._burial.failed(draft, record, error, attempt, first)
            if isinstance(record, Waiting):
                lot.parking.died(record)
            return None
        pause = wait(retry, attempt, random.random)
        self._say(event, pause)
        if not fits or (in_place(retry, attempt) and not holds):
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

    def _say(self, event: Waiting, pause: float) -> None:
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


def _together(event: Bound, first: Bound) -> bool:
    """Can one call handle both? What it emits belongs to one run; its parameters are those of one
    version."""
    if event.outputs.keywords != first.outputs.keywords:
        return False
    return not event.outputs.names or event.lineage.run == first.lineage.run


def _again(record: Record, error: BaseException, attempt: int, first: float, now: float) -> Waiting:
    """An event that failed, with the account of it."""
    event = waiting(record)
    since = event.since or int(first * 1000)
    failed = int(now * 1000) if event is record else since
    return event._replace(
        attempts=attempt,
        since=since,
        first_failed=event.first_failed or failed,
        last_failed=int(now * 1000),
        error=_legible(type(error).__name__),
        message=_legible(said(error)),
    )


def _legible(text: str) -> str:
    """Short, and UTF-8: a lone surrogate is hostile, not fatal."""
    return encodable(text[:LONGEST_MESSAGE])
