"""How does a lane live: birth, batch, death?

The protocol that makes the work on one partition exactly once. It knows no Kafka client, no clock
and no scheduler, only a Port, so that a simulation can drive it through every order of events.

The idea is KIP-98's (one transactional id per input partition, offsets in the transaction) in the
form that holds without KIP-447: whoever owns the partition next fences the last owner, and *then*
reads where it got to.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

from farandole.events.error_names import published_error_name
from farandole.events.record import Partition, PartitionWrites, Record
from farandole.lanes.crash_marker import CrashMarker
from farandole.lanes.lane_port import (
    CommittedOffset,
    FencedError,
    LanePort,
    LaneStoppedError,
    OffsetLostError,
    OutcomeUnknownError,
    StateTables,
    WriteRejectedError,
)


class BatchResult(NamedTuple):
    """What came of a batch: how many of its records are settled, in order, and what to write."""

    settled: int
    writes: PartitionWrites
    receipt: Any = None
    """For whoever made it: given back once it is committed."""


class DeferredEvents(Protocol):
    """Events that the lane's state holds, to be handled later."""

    @property
    def state_input(self) -> Partition:
        """The input that is that state as well. None of its own records is handled: deaths at what
        was due are noted with it."""

    def due(self) -> Sequence[Record]:
        """What is to be handled now, in turn with the input; its `Done.settled` moves no offset.
        Given again, in another life, it has the same order."""

    def is_full(self) -> bool:
        """Is no further input to be taken for now?"""


class LaneWork(Protocol):
    """What a lane is for. No method touches Kafka."""

    @property
    def deferred(self) -> DeferredEvents | None:
        """None: what comes is settled at once."""

    def open(self, tables: StateTables) -> None:
        """Begin with this state: whatever was not committed is forgotten."""

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        """Settle at least the first record, or as many as fit into one transaction; none where
        `waits` is full."""

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Settle a record that has killed its process `deaths` times."""

    def on_idle(self) -> BatchResult | None:
        """What to write although no event came; asked whenever a fetch found none."""

    def on_commit(self, done: BatchResult) -> None:
        """What `handle`, `give_up` or `idle` returned is now in Kafka."""

    async def close(self) -> BatchResult | None:
        """What to write before the lane ends, unless it ends before it was born; to wait here is to
        hold up the group. Not asked where the lane is fenced or abandoned."""


LaneLog = Callable[..., Any]
IsolationLock = AbstractAsyncContextManager[Any]


async def run_lane(port: LanePort, work: LaneWork, *, alone: IsolationLock, log: LaneLog) -> None:
    """Work a partition until it is taken away.

    `alone` is held, one lane of the process at a time, while an event is at work that may have
    killed a process before: so that no innocent neighbour is blamed for the next death.
    """
    survived: Mapping[Partition, CrashMarker] = {}
    fruitless = 0  # lives in a row that settled nothing
    while True:
        life = _LaneSession(port, work, alone, survived)
        fruitless += 1
        try:
            await life.born()
            log("lane.born", offsets={str(p.partition): o for p, o in life.offsets.items()})
            while True:
                await life.batch()
                if life.fruitful:
                    fruitless = 0
        except LaneStoppedError:
            await life.end()
            await port.close()
            return
        except CancelledError:
            await life.unmark()  # abandoned, but in good order: the process lives
            raise
        except (FencedError, OutcomeUnknownError) as why:
            # Never resend, never rebuild the producer here: only a birth may.
            await port.force_close()
            if not await port.confirm_ownership():
                return  # another owns it; nothing is lost, nothing to say
            log("lane.died", why=published_error_name(type(why)), detail=str(why))
            # A life that ended before its birth has read no marks: the last one's still hold.
            survived = life.marks or survived
            await port.wait_before_restart(fruitless)
        except WriteRejectedError as why:
            # The mark stays: the batch is taken apart and the event that Kafka refuses is given up.
            await port.force_close()
            log("lane.refused", detail=str(why))
            survived = {}
            await port.wait_before_restart(fruitless)
        except OffsetLostError as why:
            await port.force_close()
            log("lane.lost", detail=str(why))
            await port.wait_before_restart(fruitless)


class _LaneSession:
    """One life of a lane: everything that must be forgotten at its death."""

    def __init__(
        self,
        port: LanePort,
        work: LaneWork,
        alone: IsolationLock,
        survived: Mapping[Partition, CrashMarker],
    ) -> None:
        self._port = port
        self._work = work
        self._alone = alone
        self._survived = survived
        self._pending: Sequence[Record] = ()
        self.living = False  # born, and not yet dead
        self.fruitful = False  # something has been settled in this life
        self._unproven: set[Partition] = set()  # inputs of which nothing has been
        self._input_next = False  # before what waits
        self._noted = False  # a mark of ours stands in Kafka
        self._in_transaction = False
        self.offsets: dict[Partition, int] = {}
        self.marks: dict[Partition, CrashMarker] = {}

    async def born(self) -> None:
        """Steps 2 to 5 of a birth. (1, the pause, is the group's: it precedes the lane.)"""
        await self._port.fence()
        # Only now: read earlier, state and offset can be older than the last owner's last commit.
        self._work.open(await self._port.read_state())
        committed = await self._port.committed_offsets()
        self.offsets = {p: c.offset for p, c in committed.items()}
        self.marks = {p: CrashMarker.parse(c.metadata) for p, c in committed.items()}
        # Our own process did not die: what the last life noted before its end is no death.
        for partition, mark in self._survived.items():
            if self.marks[partition] == mark.began(self.marks[partition].until):
                self.marks[partition] = mark
        self._unproven = set(self.offsets)
        self._port.seek(self.offsets)
        self.living = True

    async def batch(self) -> None:
        """Fetch, handle, and commit the results with the offset."""
        self._port.raise_if_stopping()
        if await self._port.wait_if_paused():
            return
        waits = self._work.deferred
        if waits is not None:
            full = waits.is_full()
            first = full or not self._input_next or self._mark(waits.state_input).suspect
            if first and (due := waits.due()):
                await self._again(waits.state_input, due)
                self._input_next = True  # with a few hundred that wait something is always due
                return
            if full:
                await self._port.wait()
                await self._idle()
                return
        wait, self._input_next = not self._input_next, False
        if not self._pending:
            self._pending = await self._port.fetch(wait=wait)
        if not self._pending:
            if wait:
                await self._idle()
            return
        if self._suspect(self._pending[0]):
            async with self._alone:
                await self._carefully(self._pending[0])
            return
        calm = self._calm()
        if unproven := self._unproven_of(calm):
            await self._note(calm, unproven)
        await self._settle(await self._work.handle(calm))

    async def _again(self, place: Partition, due: Sequence[Record]) -> None:
        """Handle what has waited."""
        mark = self._mark(place)
        if mark.suspect:
            async with self._alone:
                if mark.hopeless:
                    done = await self._work.give_up(due[0], mark.deaths)
                else:
                    await self._transact({}, {}, {place: mark.began(mark.until)})
                    done = await self._work.handle(due[:1])
        else:
            if place in self._unproven:
                await self._transact({}, {}, {place: mark.began(max(mark.until, len(due)))})
            done = await self._work.handle(due)
        await self._transact(done.writes, {}, eased={place: mark.eased()})
        self._unproven.discard(place)  # and no word of the input, which may kill yet
        self.fruitful = True
        self._work.on_commit(done)

    async def _idle(self) -> None:
        reached = {} if self._pending else dict(self._port.positions())
        done = self._work.on_idle()
        if done is not None:
            await self._transact(done.writes, reached)
            self._work.on_commit(done)
        elif reached and reached != self.offsets:  # past trailing markers: lag comes to 0
            await self._transact({}, reached)

    async def _carefully(self, record: Record) -> None:
        """The first event, and few after it or none."""
        place = Partition(record.topic, record.partition)
        mark = self._mark(place)
        if mark.hopeless:
            await self._settle(await self._work.give_up(record, mark.deaths))
            return
        last = mark.last(record.offset)
        few = list(
            takewhile(lambda r: (r.topic, r.partition) == place and r.offset <= last, self._pending)
        )
        await self._note(few, {place})
        await self._settle(await self._work.handle(few))

    def _mark(self, place: Partition) -> CrashMarker:
        # A topic that has just been widened is state sooner than the group knows it as an input.
        return self.marks.get(place, CrashMarker())

    @property
    def _place(self) -> Partition | None:
        """The input none of whose records is handled."""
        waits = self._work.deferred
        return waits.state_input if waits is not None else None

    def _suspect(self, record: Record) -> bool:
        place = Partition(record.topic, record.partition)
        return place != self._place and self.marks[place].suspect

    def _calm(self) -> Sequence[Record]:
        """What may be handled at once: up to the first suspect of another input."""
        if any(mark.suspect for place, mark in self.marks.items() if place != self._place):
            return list(takewhile(lambda record: not self._suspect(record), self._pending))
        return self._pending

    def _unproven_of(self, records: Sequence[Record]) -> Set[Partition]:
        """The inputs of these of which nothing was settled yet in this life."""
        left = self._unproven - {self._place}
        if not left:
            return left
        topics = {record.topic for record in records}  # a lane has one partition of each
        return {place for place in left if place.topic in topics}

    async def _note(self, records: Sequence[Record], places: Set[Partition]) -> None:
        """Write down, before the work, that we are about to do it."""
        last = {Partition(r.topic, r.partition): r.offset for r in records}
        began = {place: self.marks[place].began(last[place]) for place in places}
        self._noted = True
        await self._transact({}, {}, began)

    async def end(self) -> None:
        """Write what is left, and take the note back."""
        done = await self._work.close()
        if not self.living:  # never born: there is nothing to write with
            await self._port.force_close()
        elif await self.unmark(done.writes if done else {}) and done is not None:
            self._work.on_commit(done)

    async def unmark(self, writes: PartitionWrites | None = None) -> bool:
        """Take the note back: we end in good order. If that fails the note stays, and costs the
        next owner some care. Whether anything was committed."""
        if self._in_transaction:
            # Its outcome is unknown: the offsets that we remember may be behind Kafka's.
            await self._port.force_close()
            return False
        if not (self._noted or writes):
            return False
        try:
            await self._transact(writes or {}, {})
        except (FencedError, OutcomeUnknownError, WriteRejectedError, LaneStoppedError):
            await self._port.force_close()
            return False
        return True

    async def _settle(self, done: BatchResult) -> None:
        settled, self._pending = self._pending[: done.settled], self._pending[done.settled :]
        offsets = (
            {Partition(r.topic, r.partition): r.offset + 1 for r in settled}
            if self._pending
            else dict(self._port.positions())
        )
        proven = self._unproven_of(settled)
        await self._transact(done.writes, offsets)
        self._unproven -= proven
        self.fruitful = True
        self._work.on_commit(done)

    async def _transact(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, int],
        noted: Mapping[Partition, CrashMarker] | None = None,
        eased: Mapping[Partition, CrashMarker] | None = None,
    ) -> None:
        """One transaction; nothing but produce and offsets happens inside."""
        offsets = {**self.offsets, **offsets}
        marks = {
            p: mark
            if offsets[p] == self.offsets[p] or p == self._place
            else mark.settled(offsets[p])
            for p, mark in self.marks.items()
        }
        marks |= {p: mark for p, mark in (eased or {}).items() if p in marks}
        self._in_transaction = True
        await self._port.begin()
        await self._port.send(
            writes,
            {
                p: CommittedOffset(o, str((noted or {}).get(p, marks[p])))
                for p, o in offsets.items()
            },
        )
        await self._port.commit()
        self._in_transaction = False
        self.offsets, self.marks = offsets, marks
        self._noted = noted is not None
