"""How does a lane live: birth, batch, death?

The protocol that makes the work on one partition exactly once. It knows no Kafka client, no clock
and no scheduler, only a Port, so that a simulation can drive it through every order of events.

The idea is KIP-98's (one transactional id per input partition, offsets in the transaction) in the
form that holds without KIP-447: whoever owns the partition next fences the last owner, and *then*
reads where it got to.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

from events.record import Record
from lanes.mark import Mark
from lanes.port import Committed, Fenced, Lost, Partition, Port, Refused, Stopped, Unknown, Writes


class Done(NamedTuple):
    """What came of a batch: how many of its records are settled, in order, and what to write."""

    settled: int
    writes: Writes
    tally: Any = None
    """For whoever made it: given back once it is committed."""


class Work(Protocol):
    """What a lane is for. No method touches Kafka."""

    async def handle(self, records: Sequence[Record]) -> Done:
        """Settle at least the first record, or as many as fit into one transaction."""

    async def give_up(self, record: Record, deaths: int) -> Done:
        """Settle a record that has killed its process `deaths` times."""

    def committed(self, done: Done) -> None:
        """What `handle` or `give_up` returned is now in Kafka."""


Log = Callable[..., Any]
Alone = AbstractAsyncContextManager[Any]


async def live(port: Port, work: Work, *, alone: Alone, log: Log) -> None:
    """Work a partition until it is taken away.

    `alone` is held, one lane of the process at a time, while an event is at work that may have
    killed a process before: so that no innocent neighbour is blamed for the next death.
    """
    survived: Mapping[Partition, Mark] = {}
    fruitless = 0  # lives in a row that settled nothing
    while True:
        life = _Life(port, work, alone, survived)
        fruitless += 1
        try:
            await life.born()
            log("lane.born", offsets={str(p.partition): o for p, o in life.offsets.items()})
            while True:
                await life.batch()
                if life.fruitful:
                    fruitless = 0
        except Stopped:
            await life.unmark()
            await port.close()
            return
        except CancelledError:
            await life.unmark()  # abandoned, but in good order: the process lives
            raise
        except (Fenced, Unknown) as why:
            # Never resend, never rebuild the producer here: only a birth may.
            await port.discard()
            if not await port.held():
                return  # another owns it; nothing is lost, nothing to say
            log("lane.died", why=type(why).__name__, detail=str(why))
            # A life that ended before its birth has read no marks: the last one's still hold.
            survived = life.marks or survived
            await port.rest(fruitless)
        except Refused as why:
            # The mark stays: the batch is taken apart and the event that Kafka refuses is given up.
            await port.discard()
            log("lane.refused", detail=str(why))
            survived = {}
            await port.rest(fruitless)
        except Lost as why:
            await port.discard()
            log("lane.lost", detail=str(why))
            await port.rest(fruitless)


class _Life:
    """One life of a lane: everything that must be forgotten at its death."""

    def __init__(
        self, port: Port, work: Work, alone: Alone, survived: Mapping[Partition, Mark]
    ) -> None:
        self._port = port
        self._work = work
        self._alone = alone
        self._survived = survived
        self._pending: Sequence[Record] = ()
        self.fruitful = False  # a batch has been settled in this life
        self._noted = False  # a mark of ours stands in Kafka
        self._in_transaction = False
        self.offsets: dict[Partition, int] = {}
        self.marks: dict[Partition, Mark] = {}

    async def born(self) -> None:
        """Steps 2 to 5 of a birth. (1, the pause, is the group's: it precedes the lane.)"""
        await self._port.fence()
        # Only now: read earlier, the offset can be older than the last owner's last commit.
        committed = await self._port.committed()
        self.offsets = {p: c.offset for p, c in committed.items()}
        self.marks = {p: Mark.parse(c.metadata) for p, c in committed.items()}
        # Our own process did not die: what the last life noted before its end is no death.
        for partition, mark in self._survived.items():
            if self.marks[partition] == mark.began(self.marks[partition].until):
                self.marks[partition] = mark
        self._port.seek(self.offsets)

    async def batch(self) -> None:
        """Fetch, handle, and commit the results with the offset."""
        self._port.unless_stopping()
        if not self._pending:
            self._pending = await self._port.fetch()
        if not self._pending:
            if self._port.reached() != self.offsets:  # past trailing markers: lag comes to 0
                await self._transact({}, dict(self._port.reached()))
            return
        first = self._pending[0]
        mark = self.marks[Partition(first.topic, first.partition)]
        if mark.suspect:
            async with self._alone:
                await self._carefully(first, mark)
        else:
            if not self.fruitful:
                await self._note(self._pending)
            done = await self._work.handle(self._pending)
            await self._settle(done)

    async def _carefully(self, record: Record, mark: Mark) -> None:
        """The first event, and few after it or none."""
        if mark.hopeless:
            await self._settle(await self._work.give_up(record, mark.deaths))
            return
        last = mark.last(record.offset)
        place = record.topic, record.partition
        few = list(
            takewhile(lambda r: (r.topic, r.partition) == place and r.offset <= last, self._pending)
        )
        await self._note(few)
        await self._settle(await self._work.handle(few))

    async def _note(self, records: Sequence[Record]) -> None:
        """Write down, before the work, that we are about to do it."""
        last = {Partition(r.topic, r.partition): r.offset for r in records}
        began = {p: self.marks[p].began(offset) for p, offset in last.items()}
        self._noted = True
        await self._transact({}, {}, began)

    async def unmark(self) -> None:
        """Take the note back: we end in good order. If that fails the note stays, and costs the
        next owner some care."""
        if self._in_transaction:
            # Its outcome is unknown: the offsets that we remember may be behind Kafka's.
            await self._port.discard()
            return
        if not self._noted:
            return
        try:
            await self._transact({}, {})
        except (Fenced, Unknown, Refused, Stopped):
            await self._port.discard()

    async def _settle(self, done: Done) -> None:
        settled, self._pending = self._pending[: done.settled], self._pending[done.settled :]
        offsets = (
            {Partition(r.topic, r.partition): r.offset + 1 for r in settled}
            if self._pending
            else dict(self._port.reached())
        )
        await self._transact(done.writes, offsets)
        self.fruitful = True
        self._work.committed(done)

    async def _transact(
        self,
        writes: Writes,
        offsets: Mapping[Partition, int],
        noted: Mapping[Partition, Mark] | None = None,
    ) -> None:
        """One transaction; nothing but produce and offsets happens inside."""
        offsets = {**self.offsets, **offsets}
        marks = {
            p: mark if offsets[p] == self.offsets[p] else mark.settled(offsets[p])
            for p, mark in self.marks.items()
        }
        self._in_transaction = True
        await self._port.begin()
        await self._port.send(
            writes,
            {p: Committed(o, str((noted or {}).get(p, marks[p]))) for p, o in offsets.items()},
        )
        await self._port.commit()
        self._in_transaction = False
        self.offsets, self.marks = offsets, marks
        self._noted = noted is not None
