"""Which interface does a lane need for the work on its events?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from farandole.events.record import Partition, PartitionWrites, Record
from farandole.lanes.lane_port import StateTables


class BatchResult(NamedTuple):
    """The result of a batch: how many of its records are settled, counted from the first, and what
    to write in the transaction that commits them."""

    settled: int
    writes: PartitionWrites
    receipt: Any = None
    """Handed back to the work by `on_commit`, once the transaction is committed."""


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
        """The time, in seconds of the epoch, before which `due` returns nothing; None if no event
        waits."""

    def is_full(self) -> bool:
        """Return True if the lane must take no further input for now."""

    def clear(self) -> None:
        """Free the memory of the events: the lane has ended, or reads its state anew."""


class LaneWork(Protocol):
    """What a lane does with its events. No method touches Kafka."""

    @property
    def deferred(self) -> DeferredEvents | None:
        """The events that wait in the state; None if this work settles every event at once."""

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

    def on_commit(self, done: BatchResult) -> None:
        """Note that a result of `handle`, `give_up`, `on_idle` or `close` was committed."""

    async def close(self) -> BatchResult | None:
        """Return what to write before the lane ends, or None; it is not written if the lane ends
        before it has opened. The group waits for this call. Not called when the lane is fenced or
        abandoned."""
