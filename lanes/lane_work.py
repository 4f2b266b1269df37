"""Which interface does a lane need for the work on its events?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from farandole.events.record import Partition, PartitionWrites, Record
from farandole.lanes.lane_port import PlacedOffsets, StateTables


class BatchResult(NamedTuple):
    """The result of a batch: how many of its records are settled, counted from the first, and what
    to write in the transaction that commits them."""

    settled: int
    writes: PartitionWrites
    receipt: Any = None
    """Handed back to the work by `on_commit`, once the transaction is committed."""
    placed: Collection[Partition] = ()
    """Those partitions of `writes` for which `on_commit` is to say at which offsets the records
    stand."""


class DeferredEvents(Protocol):
    """Events in the lane's state that are to be handled later."""

    @property
    def state_input(self) -> Partition:
        """The partition of the state topic, which the lane reads as an input as well. The lane
        handles none of its records; its offset carries the crash marker of the events that were
        due."""

    def due(self) -> Sequence[Record]:
        """Return the events to handle now, in turn with the input. `BatchResult.settled` moves no
        offset for them. After a restart the same events come in the same order."""

    @property
    def next_due(self) -> float | None:
        """The time, in seconds of the epoch, before which `due` returns nothing; None if none of
        the events waits for a time."""

    def is_full(self) -> bool:
        """Return True if the lane must take no further input for now."""

    @property
    def reads_orders(self) -> bool:
        """True if the lane, although it is full, has to read the state input: an order that makes
        room may stand there."""

    def clear(self) -> None:
        """Free the memory of the events: the lane has ended, or reads its state anew."""


class PeekedPort(Protocol):
    """The part of `farandole.lanes.lane_port.LanePort` by which a work may look around; it leaves
    the positions as they are."""

    async def offsets_of(self, group: str) -> Mapping[Partition, int | None]: ...

    async def fetch(
        self, *, wait: bool = True, only: Collection[Partition] | None = None
    ) -> Sequence[Record]: ...

    def positions(self) -> Mapping[Partition, int]: ...

    def seek(self, offsets: Mapping[Partition, int]) -> None: ...


class DrainedInputs(Protocol):
    """What a lane takes of its inputs while a drain is in force."""

    def bounds(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Return, by input in which roots wait, the offset before which the lane still takes
        records; empty if no drain is in force. `offsets`: the first one of each input that is not
        settled. Asked before each step: from now on the lane takes nothing else of these inputs,
        and puts back what it has fetched."""

    async def look(self, port: PeekedPort) -> None:
        """Ask from time to time for what the bounds depend on. Called while a drain may be in
        force; raises as `port` does."""


class ThrottledInputs(NamedTuple):
    """What of its inputs a lane does not take for now; everything else goes on."""

    holds: Callable[[str], bool]
    """Returns True for each topic of which no record is taken."""
    seconds: float | None
    """After how many seconds the throttle is to be asked again at the latest; `inf` if there is no
    such time. None if nothing but what somebody writes can change the answer."""


class InputThrottle(Protocol):
    """How fast a lane takes events of its inputs."""

    def waits(
        self, pending: Sequence[Record], unread: Callable[[], Mapping[Partition, int]]
    ) -> ThrottledInputs | None:
        """Return what is not taken now; None if nothing waits. `pending`: what was fetched;
        `unread`: returns how many offsets of each input were not. Asked before each batch of the
        input; `LaneWork.handle` then takes no more of it than the rate lets pass."""

    def asks_for_ends(self) -> bool:
        """Return True if the lane is to ask Kafka for the ends of its inputs before `unread` is
        called again. Asked while events wait for the rate: then it fetches nothing, and would not
        learn of new ones."""

    def on_wait(self) -> BatchResult | None:
        """Return what to write while events wait for the rate, or None."""


class TimedWork(Protocol):
    """What a lane does at times of its own, though no event comes."""

    def wake_in(self) -> float | None:
        """Return in how many seconds `on_wake` is to be called: 0 or less for at once, None if not
        before something else happens. Asked before each step and each wait, so after each poll of
        the inputs at the latest; not while the lane is paused."""

    async def on_wake(self) -> BatchResult | None:
        """Return what to write now, or None. The inputs have a turn between two calls. It may read
        from Kafka, and raises LaneStoppedError and OutcomeUnknownError as a port does."""


class LaneWork(Protocol):
    """What a lane does with its events. No method touches Kafka, but for those of `timed`."""

    @property
    def deferred(self) -> DeferredEvents | None:
        """The events that wait in the state; None if this work settles every event at once."""

    @property
    def drained(self) -> DrainedInputs | None:
        """What the lane takes while a drain is in force; None if a drain is nothing to it."""

    @property
    def throttle(self) -> InputThrottle | None:
        """How fast the lane takes events; None if this work knows no throttle."""

    @property
    def timed(self) -> TimedWork | None:
        """What the lane does at times of its own; None if only events give it work."""

    def open(self, tables: StateTables) -> None:
        """Begin with this state; forget everything that was not committed. The tables may be
        emptied, so that their memory is free at once."""

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        """Settle the first record and as many more as fit into one transaction. Settle none if
        `deferred` is full."""

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Settle a record that has killed its process `deaths` times."""

    def on_idle(self) -> BatchResult | None:
        """Return what to write although no event came, or None. Called after each fetch that found
        no record."""

    def on_hold(self) -> BatchResult | None:
        """Return what to write although the lane takes no event now, or None. Called instead of
        `on_idle` while the lane is paused or `deferred` is full: input may be unread."""

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        """Note that a result was committed, of whichever method. `offsets`: those of its records,
        in their order, by partition in `done.placed`."""

    async def close(self) -> BatchResult | None:
        """Return what to write before the lane ends, or None; it is not written if the lane ends
        before it has opened. The group waits for this call. Not called when the lane is fenced or
        abandoned."""
