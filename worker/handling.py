"""What becomes of each event: results, another try, or a dead letter?"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from events.deadletter import Death, letter
from events.envelope import Unreadable
from events.headers import encoded
from events.record import Outgoing, Record
from events.topology import Retry
from lanes.lane import Done
from lanes.port import Unknown
from stages.contract import Reject
from worker.binding import Outputs, Unwired, WrongResult, expected, reader
from worker.calling import Caller, attributes_of
from worker.caps import BATCH, DEAD_BYTES, SLICE, TRANSACTION_AGE, TRANSACTION_BYTES
from worker.results import Draft, TooMuch
from worker.sparing import Sparing
from worker.tally import Tally
from worker.wiring import Lineage, Misplaced, Unchecked, UnknownVersion, Wiring

log = structlog.get_logger()

_OURS = str(Path(__file__).parent)

_EXPECTED = (Reject, Unreadable, WrongResult, TooMuch)
"""What no second try can change; their message says all, a traceback would say nothing more."""

_SAID_AGAIN = 10.0  # seconds after which a lane says again that events die of the same error

_ASKED_AGAIN = (UnknownVersion, Unchecked, Misplaced)
"""What the wiring says that is no failure of the event."""


class _Bound(NamedTuple):
    """An event, ready for the function."""

    record: Record
    lineage: Lineage
    outputs: Outputs
    data: Any


class Handling:
    """The work of one lane of a stage; `lanes.lane.Work`. `settled` hears of what was committed."""

    def __init__(
        self,
        caller: Caller,
        wiring: Wiring,
        dead_topic: str,
        *,
        settled: Callable[[Tally], None],
    ) -> None:
        self._stage = caller.stage
        self._caller = caller
        self._wiring = wiring
        self._dead_topic = dead_topic
        self._settled = settled
        self._decode = reader(caller.signature)
        self._many = caller.signature.many or caller.signature.kind == "async generator"
        self._direct = caller.inline and not self._many and not caller.signature.batch
        self._slice_ends = 0.0
        self._sparing = Sparing(_SAID_AGAIN)

    # -- lanes.lane.Work

    async def handle(self, records: Sequence[Record]) -> Done:
        draft = Draft(self._stage)
        self._wiring.begin()
        ends = time.monotonic() + TRANSACTION_AGE
        settled = 0
        while settled < len(records):
            if self._caller.signature.batch:
                settled += await self._batch(draft, records[settled : settled + BATCH])
            elif self._direct:
                settled, error = self._directly(draft, records, settled)
                if error is not None:
                    made = None if isinstance(error, _ASKED_AGAIN) else error
                    await self._one(draft, records[settled], made)
                    settled += 1
            else:
                await self._one(draft, records[settled])
                settled += 1
            if draft.bytes >= TRANSACTION_BYTES or time.monotonic() >= ends:
                break
            await self._breathe()
        draft.tally.consumed += settled
        return Done(settled, draft.writes(), draft.tally)

    async def give_up(self, record: Record, deaths: int) -> Done:
        draft = Draft(self._stage)
        draft.tally.consumed += 1
        await self._wiring.look()
        version, run = self._origin(record)
        self._bury(
            draft,
            record,
            Death(
                stage=self._stage,
                version=version,
                run=run,
                error="ProcessDied",
                message=(
                    f"the worker process died {deaths} times with this event at work: it exited, "
                    "ran out of memory, or was ended because the function held it for too long "
                    "(a function that is slow by nature wants `threads:` or `async def`)"
                ),
                attempts=deaths,
                last_failed=draft.now,
            ),
        )
        return Done(1, draft.writes(), draft.tally)

    def committed(self, done: Done) -> None:
        self._settled(done.tally)

    # -- one event

    def _directly(
        self, draft: Draft, records: Sequence[Record], at: int
    ) -> tuple[int, BaseException | None]:
        """The straight path, without a single await: as many events as one slice of time allows,
        up to the first that fails. Returns where it stopped, and why if it failed there."""
        lineage_of, bare, decode = self._wiring.lineage, self._wiring.bare, self._decode
        caller, emit, clock = self._caller, draft.emit, time.monotonic
        function, wants_context = caller.function, caller.signature.context is not None
        alone = not wants_context and caller.signature.params is None
        passes = caller.signature.passes
        slice_ends = clock() + SLICE
        for record in records[at:]:
            try:
                raw = record.value
                if record.headers or wants_context:
                    lineage = lineage_of(record)
                    edge, inherited = lineage.edge, lineage.inherited
                    if lineage.data is not None:
                        raw = lineage.data
                else:
                    lineage = None
                    edge, inherited = bare(record)
                outputs = edge.outputs
                if outputs is None:
                    pass
                elif outputs.wanted is not None and not outputs.wanted(
                    raw or b"", attributes_of(record, lineage)
                ):
                    draft.tally.filtered += 1
                else:
                    data = (outputs.decode or decode)(raw or b"")
                    if alone:
                        result = function(data)
                    else:
                        given = outputs.keywords
                        result = function(data, **caller.keywords(given, record, lineage, 1))
                    if passes and not outputs.names:
                        pass  # the last of its path
                    elif result is not None:
                        emit(record, edge, inherited, outputs, result)
                    elif outputs.names:
                        draft.tally.dropped += 1
            except Unwired:
                draft.tally.dropped += 1
            except BaseException as error:  # noqa: BLE001 -- nobody ends us between two awaits
                return at, error
            at += 1
            if clock() >= slice_ends or draft.bytes >= TRANSACTION_BYTES:
                break
        return at, None

    async def _one(
        self, draft: Draft, record: Record, failure: BaseException | None = None
    ) -> None:
        """Settle one event, with every try that it may have. `failure`: of a first try, made."""
        first = draft.now
        attempt = 0 if failure is None else 1
        retry = self._retry()
        while True:
            if failure is not None:
                failure = expected(failure)
                if isinstance(failure, _EXPECTED) or attempt >= retry.attempts:
                    self._fail(draft, record, failure, attempt, first)
                    return
                log.info("event.retried", attempt=attempt, **_where(self._stage, record, failure))
                await asyncio.sleep(_backoff(retry, attempt))
            attempt += 1
            try:
                event = await self._ready(draft, record)
                if event is None:
                    return
                await self._apart(self._emit(draft, event, attempt))
            except BaseException as error:
                if _from_outside(error):
                    raise
                failure = error
            else:
                return

    async def _ready(self, draft: Draft, record: Record) -> _Bound | None:
        """The event in a record; None if under its version this stage does not subscribe to it, or
        not to what it says, or if it belongs elsewhere and was sent there."""
        while True:
            try:
                lineage = self._wiring.lineage(record)
                break
            except Unchecked:
                await self._wiring.look()
            except UnknownVersion as unknown:
                await self._wiring.learn(unknown)
            except Misplaced as misplaced:
                self._forward(draft, record, misplaced)
                return None
        outputs = lineage.edge.outputs
        if outputs is None:
            return None
        raw = (record.value or b"") if lineage.data is None else lineage.data
        if outputs.wanted is not None and not outputs.wanted(raw, attributes_of(record, lineage)):
            draft.tally.filtered += 1
            return None
        data = (outputs.decode or self._decode)(raw)
        return _Bound(record, lineage, outputs, data)

    def _forward(self, draft: Draft, record: Record, misplaced: Misplaced) -> None:
        """Send a record to the partition of its key, untouched, to be handled there. All stages
        that subscribe to it see it: the first of them forwards it."""
        version, event_type = misplaced.edge.version, misplaced.edge.event_type
        draft.tally.forwarded += 1
        if self._stage != version.subscribers(event_type)[0]:
            return
        forwarded = Outgoing(record.key, record.value, encoded(record.headers))
        draft.write(record.topic, forwarded, misplaced.home)

    async def _emit(self, draft: Draft, event: _Bound, attempt: int) -> None:
        record, lineage, outputs, data = event
        keywords = self._caller.keywords(outputs.keywords, record, lineage, attempt)
        results = await self._caller.call(data, keywords)
        if self._caller.signature.passes and not outputs.names:
            return  # the last of its path
        if not self._many:
            if results is None:
                draft.tally.dropped += bool(outputs.names)
                return
            try:
                draft.emit(record, lineage.edge, lineage.inherited, outputs, results)
            except Unwired:
                draft.tally.dropped += 1
            return
        many = draft.many(record, lineage, outputs)
        await self._each(results, many.add)
        many.write()
        if not len(many) and outputs.names:
            draft.tally.dropped += 1

    # -- a list of events

    async def _batch(self, draft: Draft, records: Sequence[Record]) -> int:
        """Settle a run of records with one call; returns how many."""
        events: list[_Bound] = []
        settled = 0
        for record in records:
            try:
                event = await self._ready(draft, record)
            except Exception as error:  # hostile bytes of any kind
                if _from_outside(error):
                    raise
                self._fail(draft, record, expected(error), 1, draft.now)
            else:
                if event is not None:
                    if events and not _together(event, events[0]):
                        break
                    events.append(event)
            settled += 1
            await self._breathe()
        if events:
            await self._bisected(draft, events, self._retry().attempts)
        return settled

    async def _bisected(self, draft: Draft, events: Sequence[_Bound], attempts: int) -> None:
        """Call with all of them; where that fails for good, with each half, down to the failing
        events, which die."""
        first = datetime.now(UTC)
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._apart(self._emit_all(draft, events, attempt))
            except BaseException as error:
                if _from_outside(error):
                    raise
                failure = expected(error)
            else:
                return
            if isinstance(failure, _EXPECTED) or attempt >= attempts:
                break
            await asyncio.sleep(_backoff(self._retry(), attempt))
        if len(events) == 1:
            self._fail(draft, events[0].record, failure, attempt, first)
            return
        half = len(events) // 2
        # The whole was tried in full; each part is tried once, or a dependency that is away would
        # cost every backoff again at each level.
        await self._bisected(draft, events[:half], 1)
        await self._bisected(draft, events[half:], 1)

    async def _emit_all(self, draft: Draft, events: Sequence[_Bound], attempt: int) -> None:
        record, lineage, outputs, _ = events[0]
        of_one_run = all(e.lineage.run == lineage.run for e in events)
        run = lineage if of_one_run else None
        keywords = self._caller.keywords(outputs.keywords, None, run, attempt)
        results = await self._caller.call([e.data for e in events], keywords)
        many = draft.many(record, lineage, outputs, len(events) - 1)
        if self._many:
            await self._each(results, many.add)
        elif results is not None:
            many.add(results)
        many.write()
        if not len(many) and outputs.names:
            draft.tally.dropped += len(events)

    # -- around both

    async def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        """A function that is awaited is at work in a task of its own: it may cancel that one, and
        not the lane."""
        if not self._caller.signature.kind.startswith("async"):
            await work
            return
        failure = await asyncio.create_task(_outcome(work))
        if failure is not None:
            raise failure

    async def _each(self, results: Any, add: Callable[[Any], None]) -> None:
        """Add each result that is not None, breathing in between. Raises WrongResult."""
        if results is None:
            return
        if hasattr(results, "__aiter__"):
            async for result in results:
                if result is not None:
                    add(result)
                await self._breathe()
            return
        try:
            iterator = iter(results)
        except TypeError:
            raise WrongResult(
                f"it gave a {type(results).__name__}, where it says that it gives several events"
            ) from None
        for result in iterator:
            if result is not None:
                add(result)
            if time.monotonic() >= self._slice_ends:
                await self._breathe()

    async def _breathe(self) -> None:
        """Let heartbeats and the other lanes run, if this one has had its slice."""
        if time.monotonic() >= self._slice_ends:
            await asyncio.sleep(0)
            self._slice_ends = time.monotonic() + SLICE

    def _retry(self) -> Retry:
        return self._caller.bound.retry

    def _fail(
        self, draft: Draft, record: Record, error: BaseException, attempts: int, first: datetime
    ) -> None:
        version, run = self._origin(record)
        death = Death.of(
            _without_our_frames(error),
            stage=self._stage,
            version=version,
            run=run,
            attempts=attempts,
            first=first,
            traced=not isinstance(error, _EXPECTED),
        )
        self._bury(draft, record, death)

    def _origin(self, record: Record) -> tuple[str, str]:
        """Version and run of a record, as far as it can be read."""
        try:
            lineage = self._wiring.lineage(record)
        except (Unreadable, *_ASKED_AGAIN):
            return self._wiring.newest.name, ""
        return lineage.edge.version.name, lineage.run.decode(errors="replace")

    def _bury(self, draft: Draft, record: Record, death: Death) -> None:
        dead = letter(record, death, largest=DEAD_BYTES)
        draft.write(self._dead_topic, dead)
        draft.tally.dead += 1
        unsaid = self._sparing.due(death.error, time.monotonic())
        if unsaid is not None:
            log.warning(
                "event.dead",
                stage=self._stage,
                position=f"{record.topic}/{record.partition}/{record.offset}",
                error=death.error,
                message=death.message[:200],
                unsaid=unsaid,
            )


def _together(event: _Bound, first: _Bound) -> bool:
    """Can one call handle both? What it emits belongs to one run; its parameters are those of one
    version."""
    if event.outputs.keywords != first.outputs.keywords:
        return False
    return not event.outputs.names or event.lineage.run == first.lineage.run


async def _outcome(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """What it raised; a task that raises SystemExit itself would end the loop with it."""
    try:
        await work
    except BaseException as error:  # noqa: BLE001 -- handed on
        return error
    return None


def _without_our_frames(error: BaseException) -> BaseException:
    """How we came to call the function is of no interest to whoever wrote it."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(_OURS) and trace.tb_next:
        trace = trace.tb_next
    return error.with_traceback(trace)


def _from_outside(error: BaseException) -> bool:
    """Is the lane to end, and not the event? A function's own `sys.exit()` or stray cancellation is
    not that; only a signal ends this process."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit | Unknown)


def _where(stage: str, record: Record, error: BaseException) -> dict[str, str]:
    return {
        "stage": stage,
        "position": f"{record.topic}/{record.partition}/{record.offset}",
        "error": type(error).__name__,
    }


def _backoff(retry: Retry, attempt: int) -> float:
    """Seconds before the next try: exponential, with full jitter.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""
    return random.uniform(0, min(retry.max_backoff, retry.backoff * 2 ** (attempt - 1)))  # noqa: S311
