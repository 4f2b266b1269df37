"""What becomes of each event: results, another try now or later, or a dead letter?"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from events.alert import outgoing
from events.deadletter import Death, letter, said
from events.display import encodable, in_one_line
from events.envelope import Unreadable
from events.headers import encoded
from events.record import Outgoing, Record
from events.retry import LONGEST_MESSAGE, REPLAY, Waiting, waiting
from events.retry import read as read_row
from events.retry import row as row_of
from events.topology import Retry
from lanes.lane import Done
from lanes.port import Partition, Tables, Unknown
from stages.contract import Reject
from worker.accounts import Account, id_of, lines_of
from worker.binding import Outputs, Unwired, WrongResult, expected, reader
from worker.breaker import Breaker
from worker.calling import Caller, attributes_of
from worker.caps import (
    BATCH,
    DEAD_BYTES,
    SLICE,
    TRANSACTION_AGE,
    TRANSACTION_BYTES,
    WAITING_BYTES,
)
from worker.holding import Holding
from worker.parking import Parking, queue_of
from worker.results import Draft, TooMuch
from worker.retrying import exhausted, wait, worth
from worker.sparing import Sparing
from worker.tally import Tally
from worker.wiring import Lineage, Misplaced, Unchecked, UnknownVersion, Wiring, run_of

log = structlog.get_logger()

_OURS = str(Path(__file__).parent)

_EXPECTED = (Reject, Unreadable, WrongResult, TooMuch)
"""What no second try can change; their message says all, a traceback would say nothing more."""

_SAID_AGAIN = 10.0  # seconds after which a lane says again that events die of the same error

_ASKED_AGAIN = (UnknownVersion, Unchecked, Misplaced)
"""What the wiring says that is no failure of the event."""


class _Behind(Exception):  # noqa: N818 -- where an event stands
    """An earlier event of its key waits."""


class _Bound(NamedTuple):
    """An event, ready for the function."""

    record: Record
    lineage: Lineage
    outputs: Outputs
    data: Any


class Handling:
    """The work of one lane of a stage; `lanes.lane.Work`. `settled` hears of what was committed,
    `cancelled` knows the runs of which nothing is to be handled."""

    def __init__(
        self,
        caller: Caller,
        wiring: Wiring,
        dead_topic: str,
        ledger: str,
        lane: int,
        *,
        settled: Callable[[Tally], None],
        cancelled: Callable[[], Set[bytes]] = frozenset,
        retries: str | None = None,
        alerts: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`retries`: the topic in which events wait; None: every try is made in place. `alerts`:
        the topic that hears when the lane holds its input. `clock`: seconds of the epoch."""
        self._stage = caller.stage
        self._alerts = Partition(alerts, 0)
        self._clock = clock
        self._breaker = Breaker(caller.bound.breaker)
        self._parking: Parking | None = None
        if retries is not None:
            place, most = Partition(retries, lane), caller.bound.retry.parked
            self._parking = Parking(place, most, self._breaker, clock)
            self._holding = Holding(self._breaker, caller.pipeline, caller.stage, place)
        self._why = ""  # the last try failed that was worth another
        self._caller = caller
        self._wiring = wiring
        self._dead_topic = dead_topic
        self._ledger = ledger
        self._lane = lane
        self._settled = settled
        self._cancelled = cancelled
        self._decode = reader(caller.signature)
        self._many = caller.signature.many or caller.signature.kind == "async generator"
        self._direct = caller.inline and not self._many and not caller.signature.batch
        self._slice_ends = 0.0
        self._sparing = Sparing(_SAID_AGAIN)

    # -- lanes.lane.Work

    @property
    def waits(self) -> Parking | None:
        return self._parking

    def born(self, tables: Tables) -> None:
        if self._parking is not None:
            rows = tables[self._parking.place.topic]
            self._parking.restored(rows)
            self._holding.restored(rows, self._clock())

    def idle(self) -> Done | None:
        self._breaker.input_next = False  # there is none: the next probe is of what waits
        return None

    async def handle(self, records: Sequence[Record]) -> Done:
        draft = Draft(self._stage)
        self._wiring.begin()
        began = time.monotonic()
        ends = began + TRANSACTION_AGE
        settled = orders = end = 0
        while settled < len(records) and not self._breaker.resting(self._clock()):
            record = records[settled]
            if settled == end:
                end = self._alike(records, settled)
            if self._is_order(record):
                self._ordered(draft, record)
                settled, orders = settled + 1, orders + 1
            elif self._left(record):
                settled += 1
            elif self._caller.signature.batch:
                most = 1 if self._breaker.open else BATCH
                settled += await self._batch(draft, records[settled : min(end, settled + most)])
            elif self._direct and not isinstance(record, Waiting):
                first, untried = settled, _untried(draft)
                settled, error = self._directly(draft, records, first, end)
                tries = settled - first - (_untried(draft) - untried)
                if tries > 0:
                    self._breaker.tried(self._clock(), tries)
                if error is not None:
                    made = None if isinstance(error, _ASKED_AGAIN) else error
                    await self._one(draft, records[settled], made)
                    settled += 1
            else:
                await self._one(draft, record)
                settled += 1
            if self._breaker.open and not isinstance(record, Waiting) and settled > orders:
                self._breaker.input_next = False  # one is enough, were it only to stand behind
                break
            full = draft.bytes + draft.accounts.size >= TRANSACTION_BYTES
            if full or time.monotonic() >= ends:
                break
            await self._breathe()
        draft.tally.consumed += settled - orders
        if self._parking is not None:
            self._tell(draft, self._parking.place, records[0])
        return self._done(settled, draft, time.monotonic() - began)

    async def give_up(self, record: Record, deaths: int) -> Done:
        draft = Draft(self._stage)
        draft.tally.consumed += 1
        await self._wiring.look()
        lineage = self._lineage(record)
        if self._called_off(draft, record, lineage):
            self._over(draft, record)
            return self._done(1, draft, 0.0)
        self._bury(
            draft,
            record,
            lineage,
            Death(
                stage=self._stage,
                version=lineage.edge.version.name,
                run=lineage.run.decode(errors="replace"),
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
        self._over(draft, record)
        return self._done(1, draft, 0.0)

    def _done(self, settled: int, draft: Draft, seconds: float) -> Done:
        entries = draft.accounts.entries(
            self._ledger,
            self._caller.pipeline,
            self._stage,
            self._lane,
            at=int(time.time() * 1000),
            seconds=seconds,
        )
        return Done(settled, {**draft.writes(), **entries}, draft.tally)

    def committed(self, done: Done) -> None:
        self._settled(done.tally)

    async def end(self) -> Done | None:
        return None

    # -- one event

    def _directly(
        self, draft: Draft, records: Sequence[Record], at: int, end: int
    ) -> tuple[int, BaseException | None]:
        """The straight path, without a single await: as many events as one slice of time allows,
        up to the first that fails or has to wait. Returns where it stopped, and why."""
        lineage_of, bare, decode = self._wiring.lineage, self._wiring.bare, self._decode
        caller, emit, clock = self._caller, draft.emit, time.monotonic
        function, wants_context = caller.function, caller.signature.context is not None
        alone = not wants_context and caller.signature.params is None
        passes = caller.signature.passes
        accounts = draft.accounts
        known = at_edge = None
        account: Account = None  # type: ignore[assignment]  # these are set before they are used
        settled: Callable[[bytes], None] = None  # type: ignore[assignment]
        cancelled, called_off = self._cancelled(), False
        listed, run = False, None
        queues = self._parking.queues if self._parking is not None else None
        slice_ends = clock() + SLICE
        for record in records[at:end]:
            if queues and queue_of(record) in queues:
                return at, _Behind()
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
                    draft.foreign += 1
                    at += 1
                    continue
                if inherited is not known or edge is not at_edge:  # most are of the last one's run
                    known, at_edge = inherited, edge
                    if lineage is None:
                        account = accounts.of(edge, run_of(inherited), record, root=True)
                    else:
                        account = accounts.of(edge, lineage.run, record, root=lineage.root)
                    listed, settled = edge.listed, account.ids.append
                    run = account.run if account.root else None
                    called_off = account.run in cancelled
                if called_off:
                    draft.tally.cancelled += 1
                    account.cancelled += 1
                elif outputs.wanted is not None and not outputs.wanted(
                    raw or b"", attributes_of(record, lineage)
                ):
                    draft.tally.filtered += 1
                    account.filtered += 1
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
                        emit(record, edge, inherited, outputs, account, result)
                    elif outputs.names:
                        draft.tally.dropped += 1
                        account.dropped += 1
                    if listed:
                        account.lines += lines_of(data)
            except Unwired:
                draft.tally.dropped += 1
                account.dropped += 1
            except BaseException as error:  # noqa: BLE001 -- nobody ends us between two awaits
                return at, error
            settled(id_of(record) if run is None else run)
            at += 1
            if clock() >= slice_ends or draft.bytes >= TRANSACTION_BYTES:
                break
        return at, None

    async def _one(
        self, draft: Draft, record: Record, failure: BaseException | None = None
    ) -> None:
        """Settle one event, with every try that it may have in place, or let it wait. `failure`: of
        a first try, made."""
        if await self._stands_behind(draft, record):
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
                event = await self._ready(draft, record)
                if event is not None:
                    await self._apart(self._emit(draft, event, attempt))
            except BaseException as error:
                if _from_outside(error):
                    raise
                failure = error
            else:
                if event is not None:
                    self._succeeded(record)
                break
        self._over(draft, record)

    def _succeeded(self, record: Record) -> None:
        self._breaker.tried(self._clock(), 1)
        if isinstance(record, Waiting) and self._parking is not None:
            self._parking.lived(record)

    def _failed(
        self, draft: Draft, record: Record, error: BaseException, attempt: int, first: float
    ) -> float | None:
        """Bury an event, or let it wait; or say in how many seconds it is tried in place. It has
        been at work since `first`, and has failed `attempt` times."""
        retry, now = self._retry(), self._clock()
        if isinstance(error, _EXPECTED) or not worth(retry, error):
            self._fail(draft, record, error, attempt, first)
            return None
        event = self._again(record, error, attempt, first, now)
        fits = self._parking is not None and _row_bytes(event) <= WAITING_BYTES
        if self._parking is not None:
            self._breaker.tried(now, 1, 1)
        holds = fits and self._breaker.open
        self._why = f"{event.error}: {event.message}"
        waited = now - max(event.since / 1000, self._breaker.closed_at)
        hopeless = self._parking is not None and self._parking.hopeless(event)
        if not holds and (hopeless or exhausted(retry, attempt, waited)):
            self._fail(draft, record, error, attempt, first)
            if self._parking is not None and isinstance(record, Waiting):
                self._parking.died(record)
            return None
        pause = wait(retry, attempt, random.random)
        if not fits or (pause <= retry.in_place and not holds):
            return pause
        # While the lane holds its input nothing is used up.
        due, counted = int((now + pause) * 1000), attempt - holds
        event = event._replace(attempts=counted, due=due)
        self._park(draft, record, self._lineage(record), event)
        return None

    def _again(
        self, record: Record, error: BaseException, attempt: int, first: float, now: float
    ) -> Waiting:
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

    # -- what waits

    def _alike(self, records: Sequence[Record], at: int) -> int:
        """Up to where what follows is of one kind: input, or rows of the retry topic."""
        if self._parking is None or records[at].topic == records[-1].topic:
            return len(records)
        order = self._is_order(records[at])
        for index in range(at, len(records)):
            if self._is_order(records[index]) != order:
                return index
        return len(records)

    def _left(self, record: Record) -> bool:
        """Does it stand behind one that waits again?"""
        waits = self._parking is not None and isinstance(record, Waiting)
        return waits and not self._parking.first(record)  # type: ignore[union-attr, arg-type]

    def _is_order(self, record: Record) -> bool:
        return self._parking is not None and record.topic == self._parking.place.topic

    def _ordered(self, draft: Draft, record: Record) -> None:
        """Take up a replay; what the lane has written itself it knows."""
        assert self._parking is not None
        if record.value is None or record.key is None or not record.key.startswith(REPLAY):
            return
        try:
            event = read_row(record.value)
            if not self._wiring.knows(event.topic):
                raise ValueError(f"{event.topic!r} is no topic of this pipeline")
        except ValueError as error:
            log.warning(
                "replay.unreadable", stage=self._stage, offset=record.offset, why=str(error)
            )
            return
        now = int(self._clock() * 1000)
        event = event._replace(sequence=0, attempts=0, since=now, due=now)
        self._write(draft, self._parking.park(event))
        self._write(draft, Outgoing(record.key, None))

    async def _stands_behind(self, draft: Draft, record: Record) -> bool:
        """Let an event wait if an earlier one of its key does."""
        parking = self._parking
        if parking is None or isinstance(record, Waiting) or not parking.behind(record):
            return False
        event = await self._readable(draft, record)
        if event is not None:
            self._queue(draft, event)
        return True

    def _queue(self, draft: Draft, event: _Bound) -> None:
        """Let an event wait that is not to be tried now."""
        now = int(self._clock() * 1000)
        waits = waiting(event.record)
        waits = waits._replace(since=waits.since or now, due=waits.due or now)
        if _row_bytes(waits) > WAITING_BYTES:
            large = TooMuch(f"it cannot wait: its row would be larger than {WAITING_BYTES} bytes")
            self._fail(draft, event.record, large, 1, self._clock())
            return
        self._park(draft, event.record, event.lineage, waits)

    def _park(self, draft: Draft, record: Record, lineage: Lineage, event: Waiting) -> None:
        assert self._parking is not None
        self._write(draft, self._parking.park(event))
        if not isinstance(record, Waiting):
            draft.account(record, lineage).park(record)
            draft.tally.parked += 1

    def _over(self, draft: Draft, record: Record) -> None:
        """Take an event that has waited out of the state, unless it waits again."""
        if isinstance(record, Waiting) and self._parking is not None:
            tombstone = self._parking.settle(record)
            if tombstone is not None:
                self._write(draft, tombstone)

    def _write(self, draft: Draft, row: Outgoing) -> None:
        assert self._parking is not None
        draft.write(self._parking.place.topic, row, self._parking.place.partition)

    def _tell(self, draft: Draft, place: Partition, cause: Record) -> None:
        """Say that the lane holds its input, or takes it again."""
        news = self._holding.news(self._clock(), in_one_line(self._why)[:200])
        if news is None:
            return
        alert, row = news
        log.warning("stage.held", state=alert.state, stage=self._stage, lane=place.partition)
        self._write(draft, row)
        id_ = f"{self._stage}/{cause.topic}/{cause.partition}/{cause.offset}/held"
        source = self._wiring.newest.source(self._stage)
        draft.write(self._alerts.topic, outgoing(alert, source, id_.encode(), draft.now))

    async def _ready(self, draft: Draft, record: Record) -> _Bound | None:
        """The event in a record; None if under its version this stage does not subscribe to it, or
        not to what it says, if its run is cancelled, or if it belongs elsewhere and was sent
        there."""
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
        if outputs is None and isinstance(record, Waiting):
            raise Unreadable(f"{lineage.edge.version.name} has no such input here any more")
        if outputs is None or self._called_off(draft, record, lineage):
            return None
        raw = (record.value or b"") if lineage.data is None else lineage.data
        if outputs.wanted is not None and not outputs.wanted(raw, attributes_of(record, lineage)):
            draft.tally.filtered += 1
            account = draft.account(record, lineage)
            account.filtered += 1
            account.settle(record)
            return None
        data = (outputs.decode or self._decode)(raw)
        return _Bound(record, lineage, outputs, data)

    async def _readable(self, draft: Draft, record: Record) -> _Bound | None:
        """As `_ready`; None also of what cannot be read, which dies."""
        try:
            return await self._ready(draft, record)
        except Exception as error:  # hostile bytes of any kind
            if _from_outside(error):
                raise
            self._fail(draft, record, expected(error), 1, self._clock())
            return None

    def _called_off(self, draft: Draft, record: Record, lineage: Lineage) -> bool:
        """Settle an event of a run that is cancelled: it is consumed, and nothing comes of it."""
        if lineage.run not in self._cancelled():
            return False
        draft.tally.cancelled += 1
        account = draft.account(record, lineage)
        account.cancelled += 1
        account.settle(record)
        return True

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
        emitted = await self._emit_results(draft, event, results)
        account = draft.account(record, lineage)
        if not emitted and outputs.names:
            draft.tally.dropped += 1
            account.dropped += 1
        if lineage.edge.listed:
            account.lines += lines_of(data)
        account.settle(record)

    async def _emit_results(self, draft: Draft, event: _Bound, results: Any) -> bool:
        """Whether anything came of it."""
        record, lineage, outputs, _ = event
        if self._caller.signature.passes and not outputs.names:
            return False  # the last of its path
        if self._many:
            many = draft.many(record, lineage, outputs)
            await self._each(results, many.add)
            many.write()
            return len(many) > 0
        if results is None:
            return False
        account = draft.account(record, lineage)
        try:
            draft.emit(record, lineage.edge, lineage.inherited, outputs, account, results)
        except Unwired:
            return False
        return True

    # -- a list of events

    async def _batch(self, draft: Draft, records: Sequence[Record]) -> int:
        """Settle a run of records with one call, or let some wait; returns how many."""
        events: list[_Bound] = []
        settled, left = 0, {id(record) for record in records if self._left(record)}
        for record in records:
            if id(record) not in left and not await self._stands_behind(draft, record):
                event = await self._readable(draft, record)
                if event is not None:
                    if events and not _together(event, events[0]):
                        break
                    events.append(event)
            settled += 1
            await self._breathe()
        if events:
            await self._bisected(draft, events, self._retry().attempts)
        for record in records[:settled]:
            if id(record) not in left:
                self._over(draft, record)
        return settled

    async def _bisected(self, draft: Draft, events: Sequence[_Bound], attempts: int) -> None:
        """Call with all of them; where that fails, with each half, down to the failing events,
        which wait or die."""
        events = [event for event in events if not self._waits_now(draft, event)]
        if not events:
            return
        first, attempt = self._clock(), 0
        while True:
            attempt += 1
            try:
                await self._apart(self._emit_all(draft, events, attempt))
            except BaseException as error:
                if _from_outside(error):
                    raise
                failure = expected(error)
            else:
                for event in events[:1]:  # one call is one try
                    self._succeeded(event.record)
                return
            if self._parking is not None and len(events) == 1:
                (event,) = events
                waited = event.record.attempts if isinstance(event.record, Waiting) else 0
                pause = self._failed(draft, event.record, failure, waited + attempt, first)
                if pause is None:
                    return
            else:
                # Not counted: of the calls above one bad event every one fails.
                final = isinstance(failure, _EXPECTED) or not worth(self._retry(), failure)
                pause = wait(self._retry(), attempt, random.random)
                patient = self._parking is None or pause <= self._retry().in_place
                if final or attempt >= attempts or not patient:
                    break
            await asyncio.sleep(pause)
        if len(events) == 1:
            self._fail(draft, events[0].record, failure, attempt, first)
            return
        half = len(events) // 2
        # The whole was tried in full; each part is tried once, or a dependency that is away would
        # cost every backoff again at each level.
        await self._bisected(draft, events[:half], 1)
        await self._bisected(draft, events[half:], 1)

    def _waits_now(self, draft: Draft, event: _Bound) -> bool:
        """Let an event wait if the lane has begun to hold, or one of its key to wait, meanwhile."""
        parking, record = self._parking, event.record
        if parking is None:
            return False
        behind = not isinstance(record, Waiting) and parking.behind(record)
        if not behind and not self._breaker.resting(self._clock()):
            return False
        self._queue(draft, event)
        return True

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
        dropped = not len(many) and bool(outputs.names)
        draft.tally.dropped += len(events) * dropped
        for event in events:
            account = draft.account(event.record, event.lineage)
            account.dropped += dropped
            if event.lineage.edge.listed:
                account.lines += lines_of(event.data)
            account.settle(event.record)

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
        self, draft: Draft, record: Record, error: BaseException, attempts: int, first: float
    ) -> None:
        """Give an event up that was at work since `first` and has failed so often."""
        lineage = self._lineage(record)
        if isinstance(record, Waiting):
            attempts += record.before
            first = record.first_failed / 1000 or first
        death = Death.of(
            _without_our_frames(error),
            stage=self._stage,
            version=lineage.edge.version.name,
            run=lineage.run.decode(errors="replace"),
            attempts=attempts,
            first=datetime.fromtimestamp(first, UTC),
            replays=record.replays if isinstance(record, Waiting) else 0,
            traced=not isinstance(error, _EXPECTED),
        )
        self._bury(draft, record, lineage, death)

    def _lineage(self, record: Record) -> Lineage:
        """Of a record that dies, as far as it can be read."""
        try:
            return self._wiring.lineage(record)
        except (Unreadable, *_ASKED_AGAIN):
            return self._wiring.stray(record)

    def _bury(self, draft: Draft, record: Record, lineage: Lineage, death: Death) -> None:
        dead = letter(record, death, largest=DEAD_BYTES)
        draft.write(self._dead_topic, dead)
        draft.tally.dead += 1
        account = draft.account(record, lineage)
        account.dead += 1
        account.settle(record)
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


def _untried(draft: Draft) -> int:
    """Events that were settled without a call."""
    return draft.tally.filtered + draft.tally.cancelled + draft.foreign


def _legible(text: str) -> str:
    """Short, and UTF-8: a lone surrogate is hostile, not fatal."""
    return encodable(text[:LONGEST_MESSAGE])


def _row_bytes(event: Waiting) -> int:
    key, value, _ = row_of(event)
    return len(key or b"") + len(value or b"")
