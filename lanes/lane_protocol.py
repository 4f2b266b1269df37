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
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from itertools import takewhile
from math import inf
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
    PlacedOffsets,
    WriteRejectedError,
)
from farandole.lanes.lane_work import BatchResult, DrainedInputs, LaneWork, ThrottledInputs

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
        self._was_woken = False  # in the last step
        self._bounds: Mapping[Partition, int] = {}  # of the inputs in which roots wait
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
        if self._work.drained is not None:
            await self._keep_bounds(self._work.drained)
        if await self._port.wait_if_paused():
            await self._write_on_hold()
            return
        if self._was_woken:
            self._was_woken = False
        elif self._wake_in() == 0:
            self._was_woken = True  # so now it is the turn of events
            await self._wake()
            return
        deferred = self._work.deferred
        if deferred is not None:
            full = deferred.is_full()
            first = full or not self._input_next or self._marker(deferred.state_input).is_suspect
            if first and (due := deferred.due()):
                await self._handle_deferred(deferred.state_input, due)
                self._input_next = True  # among a few hundred deferred events one is always due
                return
            if full and deferred.reads_orders:
                ready = await self._take_orders(deferred.state_input)
                if ready:
                    await self._settle(await self._work.handle(ready))
                    return
            if full:
                await self._port.wait(self._wake_in())
                await self._write_on_hold()
                await self._commit_positions()
                return
        wait, self._input_next = not self._input_next, False
        if not self._pending:
            self._pending = await self._fetch(wait=wait)
            if self._pending and wait and await self._port.wait_if_paused():
                return  # paused while it waited: what has come stays where it is
        if not self._pending:
            if wait:
                await self._write_idle()
            return
        ready = self._pending
        if self._work.throttle is not None:
            throttled = self._work.throttle.waits(self._pending, self._port.unread)
            if throttled is not None:
                ready = await self._take_free(throttled)
                if not ready:
                    return
        if self._is_suspect(ready[0]):
            async with self._isolation:
                await self._handle_suspect(ready[0])
            return
        batch = self._up_to_suspect(ready)
        if untested := self._untested_of(batch):
            await self._write_marker(batch, untested)
        await self._settle(await self._work.handle(batch))

    async def _wake(self) -> None:
        """Write what the work has to write at a time of its own."""
        timed = self._work.timed
        done = None if timed is None else await timed.on_wake()
        if done is not None:
            await self._commit(done, self._reached())
            self.settled_something = True

    def _wake_in(self) -> float | None:
        """Return how many seconds the lane may wait before the work is to be woken; None for any
        number."""
        timed = self._work.timed
        seconds = None if timed is None else timed.wake_in()
        return None if seconds is None else max(0.0, seconds)

    async def _keep_bounds(self, drained: DrainedInputs) -> None:
        """Take no more than the drain that is in force lets us; put back what was fetched."""
        self._bounds = drained.bounds(self.offsets)
        self._pending = self._put_back_beyond_bounds(self._pending)
        await drained.look(self._port)

    async def _fetch(
        self, *, wait: bool, among: Collection[Partition] | None = None
    ) -> Sequence[Record]:
        """Fetch the next records, of inputs in which roots wait only those before the bound.
        `among`: of these inputs; None for all."""
        at_most = self._wake_in() if wait else None
        if not self._bounds:
            if among is None:
                return await self._port.fetch(wait=wait, at_most=at_most)
            return await self._port.fetch(wait=wait, only=among)
        reached = self._port.positions()
        only = [
            place
            for place in (reached if among is None else among)
            if reached[place] < self._bounds.get(place, inf)
        ]
        if not only and wait:
            await self._port.wait(at_most)
        fetched = await self._port.fetch(wait=wait, at_most=at_most, only=only)
        return self._put_back_beyond_bounds(fetched)

    def _put_back_beyond_bounds(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records without those at or behind the bound of their input, which are fetched
        anew later."""
        if not (self._bounds and records):
            return records
        kept: list[Record] = []
        put_back: dict[Partition, int] = {}
        for record in records:
            place = Partition(record.topic, record.partition)
            if record.offset < self._bounds.get(place, inf):
                kept.append(record)
            else:
                put_back.setdefault(place, record.offset)
        if put_back:
            self._port.seek(put_back)
        return kept

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
        await self._commit(done, {}, done.settled, eased={place: marker.after_one_deferred()})
        # This shows nothing about the input: one of its events may still kill the process.
        self._untested.discard(place)
        self.settled_something = True

    async def _write_idle(self) -> None:
        """Write what the work has to write while no event comes, and commit the positions."""
        done = self._work.on_idle()
        if done is None:
            await self._commit_positions()
            return
        await self._commit(done, self._reached())

    async def _write_on_hold(self) -> None:
        """Write what the work has to write while it takes no event."""
        done = self._work.on_hold()
        if done is not None:
            await self._commit(done, {})

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

    async def _take_free(self, throttled: ThrottledInputs) -> Sequence[Record]:
        """Return the records that do not wait for the rate, and put them before those that do. If
        there are none: fetch of the other inputs, or wait a moment."""
        holds, pending = throttled.holds, self._pending
        free = [record for record in pending if not holds(record.topic)]
        if not free:
            places = self._port.positions()
            others = [place for place in places if not holds(place.topic)]
            free = [*await self._fetch(wait=False, among=others)] if others else []
            if not free:
                if self._work.throttle is not None and self._work.throttle.asks_for_ends():
                    await self._port.ends()
                known = [s for s in (throttled.seconds, self._wake_in()) if s is not None]
                await self._port.wait(min(known, default=None))
                await self._write_waiting()
                return ()
        self._pending = [*free, *(record for record in pending if holds(record.topic))]
        return free

    async def _take_orders(self, state_input: Partition) -> Sequence[Record]:
        """Return the records of the state input that can be had at once, and put them before those
        of the other inputs."""
        pending = self._pending
        orders = [record for record in pending if record.topic == state_input.topic]
        if not orders:
            orders = [*await self._fetch(wait=False, among=[state_input])]
        others = [record for record in pending if record.topic != state_input.topic]
        self._pending = [*orders, *others]
        return orders

    async def _write_waiting(self) -> None:
        """Write what the work has to write while events wait for the rate."""
        throttle = self._work.throttle
        done = None if throttle is None else throttle.on_wait()
        if done is not None:
            await self._commit(done, {})

    def _up_to_suspect(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return those of the records before the first suspect of another input."""
        state_input = self._state_input
        if any(marker.is_suspect for p, marker in self.markers.items() if p != state_input):
            return list(takewhile(lambda record: not self._is_suspect(record), records))
        return records

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
        else:
            await self.clear_marker(done)

    async def clear_marker(self, done: BatchResult | None = None) -> None:
        """Remove our marker, because we end in good order, and write what is `done`. If it fails
        the marker stays, and the next owner handles a few events with care."""
        if self._in_transaction:
            # Its outcome is unknown: the offsets that we remember may be behind Kafka's.
            await self._port.force_close()
            return
        try:
            if done is not None and (done.writes or self._own_marker_written):
                await self._commit(done, {})
            elif self._own_marker_written:
                await self._transact({}, {})
        except (FencedError, OutcomeUnknownError, WriteRejectedError, LaneStoppedError):
            await self._port.force_close()

    async def _settle(self, done: BatchResult) -> None:
        """Commit a result with the offsets behind the records that it settles."""
        settled, self._pending = self._pending[: done.settled], self._pending[done.settled :]
        offsets = (
            {Partition(r.topic, r.partition): r.offset + 1 for r in settled}
            if self._pending
            else dict(self._port.positions())
        )
        tested = self._untested_of(settled)
        await self._commit(done, offsets, len(settled))
        self._untested -= tested
        self.settled_something = True

    async def _commit(
        self,
        done: BatchResult,
        offsets: Mapping[Partition, int],
        records: int = 0,
        eased: Mapping[Partition, CrashMarker] | None = None,
    ) -> None:
        """Commit a result of the work, which settles so many records, and tell the work."""
        placed = await self._transact(done.writes, offsets, eased=eased, placed=done.placed)
        self._work.on_commit(done, placed)
        self._observer.batch_committed(done, records)

    async def _transact(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, int],
        started: Mapping[Partition, CrashMarker] | None = None,
        eased: Mapping[Partition, CrashMarker] | None = None,
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        """Write one transaction; nothing but produce and offsets happens inside. Return the offsets
        of what was written into the partitions `placed`.

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
        found = await self._port.send(
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
            placed,
        )
        await self._port.commit()
        self._in_transaction = False
        self.offsets, self.markers = offsets, markers
        self._own_marker_written = started is not None
        return found
