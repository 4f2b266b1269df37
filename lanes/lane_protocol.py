"""When does a lane open, handle a batch, write a transaction, fail and close?

The protocol makes the handling of one partition exactly once. It uses no Kafka client, clock or
scheduler, only a LanePort, so that a simulation can drive it through every order of events.

The idea is KIP-98's (one transactional id per input partition, offsets in the transaction): the
next owner of the partition fences the last owner, and *then* reads how far it got. KIP-447 closes
the one hole in it. A lane whose coordinator is cut off from the other brokers still believes that
it owns the partition: it fences the rightful owner and reads a stale offset. The group refuses what
such a lane commits."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from itertools import takewhile
from typing import Any

from farandole.broker.backoff import is_logged
from farandole.events.error_names import published_error_name
from farandole.events.record import Partition, PartitionWrites, Record
from farandole.events.row_format import NewerFormatError
from farandole.lanes.crash_marker import CrashMarker
from farandole.lanes.lane_observer import LaneObserver, NullObserver
from farandole.lanes.lane_port import (
    CommittedOffset,
    ExpelledError,
    FencedError,
    LanePort,
    LaneStoppedError,
    OffsetLostError,
    OutcomeUnknownError,
    WriteRejectedError,
)
from farandole.lanes.lane_work import BatchResult, LaneWork

LaneLog = Callable[..., Any]
IsolationLock = AbstractAsyncContextManager[Any]


async def run_lane(
    port: LanePort,
    work: LaneWork,
    *,
    isolation: IsolationLock,
    log: LaneLog,
    observer: LaneObserver | None = None,
) -> None:
    """Handle the events of a partition until it is revoked.

    `isolation` is a lock of the process. A lane takes it while it handles an event that may have
    killed a process before, so that no event of another lane is blamed for the next death.
    """
    observer = observer or NullObserver()
    survived: Mapping[Partition, CrashMarker] = {}
    failures = 0  # sessions in a row that settled nothing
    trouble = ""  # why the last session failed, for those who look at the committed offset
    told = ""  # why the lane has stopped, as it was logged last
    while True:
        session = _LaneSession(port, work, isolation, survived, observer, trouble)
        failures += 1
        try:
            await session.open()
            log("lane.born", offsets={str(p.partition): o for p, o in session.offsets.items()})
            observer.lane_opened(session.offsets)
            while True:
                await session.step()
                if session.settled_something:
                    failures, trouble = 0, ""
        except LaneStoppedError:
            await session.close()
            await port.close()
            observer.lane_closed("stopped")
            return
        except CancelledError:
            await session.clear_marker()  # abandoned, but the process lives: no death
            observer.lane_closed("abandoned")
            raise
        except ExpelledError as error:
            # Not to be opened again, even if a heartbeat is accepted: by whom?
            await port.withdraw()
            log("lane.expelled", detail=str(error))
            observer.lane_closed("lost ownership")
            return
        except (FencedError, OutcomeUnknownError) as error:
            # Only a new session may rebuild the producer and send again, after a new fence.
            await port.force_close()
            if not await port.confirm_ownership():
                observer.lane_closed("lost ownership")
                return  # another worker owns the partition
            reason = published_error_name(type(error))
            log("lane.died", why=reason, detail=str(error))
            observer.lane_failed(reason, str(error))
            trouble = str(error) if isinstance(error, OutcomeUnknownError) else ""
            # A session that failed to open has read no markers: the last one's are still valid.
            survived = session.markers or survived
            await port.wait_before_restart(failures)
        except WriteRejectedError as error:
            # The marker stays: the batch is taken apart, and the event whose output Kafka refuses
            # is given up.
            await port.force_close()
            log("lane.refused", detail=str(error))
            observer.lane_failed(published_error_name(type(error)), str(error))
            survived = {}
            await port.wait_before_restart(failures)
        except (OffsetLostError, NewerFormatError) as error:
            await session.clear_marker()  # nothing kills a process here, however often it is tried
            survived = session.markers or survived
            await port.force_close()
            # A person must decide, which may take days.
            if str(error) != told or is_logged(failures):
                told = str(error)
                is_lost = isinstance(error, OffsetLostError)
                log("lane.lost" if is_lost else "lane.outdated", detail=told)
            observer.lane_failed(published_error_name(type(error)), str(error))
            await port.wait_before_restart(failures)


class _LaneSession:
    """A lane between two fences: everything that must be forgotten when it fails."""

    def __init__(
        self,
        port: LanePort,
        work: LaneWork,
        isolation: IsolationLock,
        survived: Mapping[Partition, CrashMarker],
        observer: LaneObserver,
        trouble: str,
    ) -> None:
        self._port = port
        self._trouble = trouble
        self._work = work
        self._isolation = isolation
        self._survived = survived
        self._observer = observer
        self._pending: Sequence[Record] = ()
        self.settled_something = False
        self._is_open = False
        self._untested: set[Partition] = set()  # inputs of which this session has settled nothing
        self._input_next = False  # the input goes before deferred events
        self._own_marker_written = False
        self._in_transaction = False
        self.offsets: dict[Partition, int] = {}
        self.markers: dict[Partition, CrashMarker] = {}

    async def open(self) -> None:
        """Fence the last owner, then read the state and the offsets. (The group has paused the
        inputs before.)"""
        await self._port.fence()
        if self._work.deferred is not None:
            self._work.deferred.clear()
        # Only now: read earlier, state and offset can be older than the last owner's last commit.
        self._work.open(await self._port.read_state())
        committed = await self._port.committed_offsets()
        self.offsets = {p: c.offset for p, c in committed.items()}
        self.markers = {p: CrashMarker.parse(c.metadata) for p, c in committed.items()}
        # Our own process did not die: a marker that our last session wrote counts no death.
        for partition, marker in self._survived.items():
            if self.markers[partition] == marker.started(self.markers[partition].until):
                self.markers[partition] = marker
        self._untested = set(self.offsets)
        self._port.seek(self.offsets)
        self._is_open = True

    async def step(self) -> None:
        """Fetch records or take deferred events, handle them, and commit the results with the
        offsets."""
        self._port.raise_if_stopping()
        if await self._port.wait_if_paused():
            return
        deferred = self._work.deferred
        if deferred is not None:
            full = deferred.is_full()
            first = full or not self._input_next or self._marker(deferred.state_input).is_suspect
            if first and (due := deferred.due()):
                await self._handle_deferred(deferred.state_input, due)
                self._input_next = True  # among a few hundred deferred events one is always due
                return
            if full:
                await self._port.wait()
                await self._commit_positions()  # nothing was fetched: `on_idle` is not for this
                return
        wait, self._input_next = not self._input_next, False
        if not self._pending:
            self._pending = await self._port.fetch(wait=wait)
        if not self._pending:
            if wait:
                await self._write_idle()
            return
        if self._is_suspect(self._pending[0]):
            async with self._isolation:
                await self._handle_suspect(self._pending[0])
            return
        batch = self._up_to_suspect()
        if untested := self._untested_of(batch):
            await self._write_marker(batch, untested)
        await self._settle(await self._work.handle(batch))

    async def _handle_deferred(self, place: Partition, due: Sequence[Record]) -> None:
        marker = self._marker(place)
        if marker.is_suspect:
            async with self._isolation:
                if marker.is_hopeless:
                    done = await self._work.give_up(due[0], marker.deaths)
                else:
                    await self._transact({}, {}, {place: marker.started(marker.until)})
                    done = await self._work.handle(due[:1])
        else:
            if place in self._untested:
                started = marker.started(max(marker.until, len(due)))
                await self._transact({}, {}, {place: started})
            done = await self._work.handle(due)
        await self._transact(done.writes, {}, eased={place: marker.after_one_deferred()})
        # This shows nothing about the input: one of its events may still kill the process.
        self._untested.discard(place)
        self._committed(done, done.settled)

    async def _write_idle(self) -> None:
        """Write what the work has to write while no event comes, and commit the positions."""
        done = self._work.on_idle()
        if done is None:
            await self._commit_positions()
            return
        await self._transact(done.writes, self._reached())
        self._work.on_commit(done)
        self._observer.batch_committed(done, 0)

    async def _commit_positions(self) -> None:
        """Commit where the lane stands, past trailing markers: the lag becomes 0."""
        reached = self._reached()
        if reached and reached != self.offsets:
            await self._transact({}, reached)

    def _reached(self) -> dict[Partition, int]:
        return {} if self._pending else dict(self._port.positions())

    async def _handle_suspect(self, record: Record) -> None:
        """Handle a suspect record alone or with a few after it, or give it up."""
        place = Partition(record.topic, record.partition)
        marker = self._marker(place)
        if marker.is_hopeless:
            await self._settle(await self._work.give_up(record, marker.deaths))
            return
        last = marker.last_in_trial(record.offset)
        trial = list(
            takewhile(lambda r: (r.topic, r.partition) == place and r.offset <= last, self._pending)
        )
        await self._write_marker(trial, {place})
        await self._settle(await self._work.handle(trial))

    def _marker(self, place: Partition) -> CrashMarker:
        # A topic that has just been widened is state sooner than the group knows it as an input.
        return self.markers.get(place, CrashMarker())

    @property
    def _state_input(self) -> Partition | None:
        """The input whose records are not handled, because it is the state; None if there is
        none."""
        deferred = self._work.deferred
        return deferred.state_input if deferred is not None else None

    def _is_suspect(self, record: Record) -> bool:
        place = Partition(record.topic, record.partition)
        return place != self._state_input and self.markers[place].is_suspect

    def _up_to_suspect(self) -> Sequence[Record]:
        """Return the pending records before the first suspect of another input."""
        state_input = self._state_input
        if any(marker.is_suspect for p, marker in self.markers.items() if p != state_input):
            return list(takewhile(lambda record: not self._is_suspect(record), self._pending))
        return self._pending

    def _untested_of(self, records: Sequence[Record]) -> Set[Partition]:
        """Return the inputs of these records of which this session has settled nothing yet."""
        left = self._untested - {self._state_input}
        if not left:
            return left
        topics = {record.topic for record in records}  # a lane has one partition of each
        return {place for place in left if place.topic in topics}

    async def _write_marker(self, records: Sequence[Record], places: Set[Partition]) -> None:
        """Commit, before these records are handled, that we are about to handle them."""
        last = {Partition(r.topic, r.partition): r.offset for r in records}
        started = {place: self.markers[place].started(last[place]) for place in places}
        self._own_marker_written = True
        await self._transact({}, {}, started)

    async def close(self) -> None:
        """Write what the work has left, and clear the marker."""
        done = await self._work.close()
        if not self._is_open:  # it never opened: there is no producer to write with
            await self._port.force_close()
        elif await self.clear_marker(done.writes if done else {}) and done is not None:
            self._work.on_commit(done)
            self._observer.batch_committed(done, 0)

    async def clear_marker(self, writes: PartitionWrites | None = None) -> bool:
        """Remove our marker, because we end in good order, and write `writes`. Return True if that
        was committed. If it fails the marker stays, and the next owner handles a few events with
        care."""
        if self._in_transaction:
            # Its outcome is unknown: the offsets that we remember may be behind Kafka's.
            await self._port.force_close()
            return False
        if not (self._own_marker_written or writes):
            return False
        try:
            await self._transact(writes or {}, {})
        except (FencedError, OutcomeUnknownError, WriteRejectedError, LaneStoppedError):
            await self._port.force_close()
            return False
        return True

    async def _settle(self, done: BatchResult) -> None:
        """Commit a result with the offsets behind the records that it settles."""
        settled, self._pending = self._pending[: done.settled], self._pending[done.settled :]
        offsets = (
            {Partition(r.topic, r.partition): r.offset + 1 for r in settled}
            if self._pending
            else dict(self._port.positions())
        )
        tested = self._untested_of(settled)
        await self._transact(done.writes, offsets)
        self._untested -= tested
        self._committed(done, len(settled))

    def _committed(self, done: BatchResult, records: int) -> None:
        self.settled_something = True
        self._work.on_commit(done)
        self._observer.batch_committed(done, records)

    async def _transact(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, int],
        started: Mapping[Partition, CrashMarker] | None = None,
        eased: Mapping[Partition, CrashMarker] | None = None,
    ) -> None:
        """Write one transaction; nothing but produce and offsets happens inside.

        `started`: markers to write before events are handled; this session goes on with those that
        were valid before. `eased`: markers that are valid from now on.
        """
        offsets = {**self.offsets, **offsets}
        markers = {
            p: marker
            if offsets[p] == self.offsets[p] or p == self._state_input
            else marker.after_settling(offsets[p])
            for p, marker in self.markers.items()
        }
        markers |= {p: marker for p, marker in (eased or {}).items() if p in markers}
        self._in_transaction = True
        await self._port.begin()
        await self._port.send(
            writes,
            {
                p: CommittedOffset(
                    o,
                    started[p].with_trouble(self._trouble)
                    if started and p in started
                    else str(markers[p]),
                )
                for p, o in offsets.items()
            },
        )
        await self._port.commit()
        self._in_transaction = False
        self.offsets, self.markers = offsets, markers
        self._own_marker_written = started is not None
