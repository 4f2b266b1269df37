"""How can exactly-once be broken? Each function here makes one mistake in a worker or
bookkeeper."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from aiokafka import TopicPartition

from farandole.events.record import OutgoingRecord, Partition, PartitionWrites, Record
from farandole.lanes.lane_group import LaneGroup
from farandole.lanes.lane_port import CommittedOffset, OutcomeUnknownError, PlacedOffsets
from farandole.lanes.lane_spec import LaneSpec
from farandole.lanes.lane_work import BatchResult
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.worker.lane_processor import LaneProcessor
from farandole.worker.transaction_buffer import TransactionBuffer
from tests.lanes.broken import OffsetOutsideOfTheTransaction

NTH = 500
"""The number of the event, of all that `make` emits, that is changed."""
LOST_ROOT = 1
"""The offset of the root that is lost."""
NTH_ENTRY = 5

Spoil = Callable[[list[OutgoingRecord], int], None]
"""Changes the records for a partition, at this index; the entry stays as it was."""


def healthy(patch: pytest.MonkeyPatch) -> None:
    """Change nothing."""


def dropped(patch: pytest.MonkeyPatch) -> None:
    def drop(out: list[OutgoingRecord], at: int) -> None:
        del out[at]

    _spoiled(patch, drop)


def doubled(patch: pytest.MonkeyPatch) -> None:
    def double(out: list[OutgoingRecord], at: int) -> None:
        out.insert(at, out[at])

    _spoiled(patch, double)


def swapped(patch: pytest.MonkeyPatch) -> None:
    def swap(out: list[OutgoingRecord], at: int) -> None:
        out[at] = out[at - 1 if at else 1]

    _spoiled(patch, swap)


def root_lost(patch: pytest.MonkeyPatch) -> None:
    class Losing(LaneProcessor):
        async def handle(self, records: Sequence[Record]) -> BatchResult:
            if self._stage == "plan":
                if records[0].offset == LOST_ROOT:
                    return BatchResult(1, {}, TransactionBuffer(self._stage, 0.0).counters)
                records = records[:1]
            return await super().handle(records)

    patch.setattr("farandole.worker.lane_assembly.LaneProcessor", Losing)


def offset_aside(patch: pytest.MonkeyPatch) -> None:
    """Commit the offset after the transaction; once, the lane dies between the two."""
    deaths = [OutcomeUnknownError("the connection broke")]

    class Aside(OffsetOutsideOfTheTransaction):
        async def send(
            self,
            writes: PartitionWrites,
            offsets: Mapping[Partition, CommittedOffset],
            placed: Collection[Partition] = (),
        ) -> PlacedOffsets:
            found = await super().send(writes, offsets, placed)
            self._wrote = bool(writes)
            return found

        async def commit_aside(self, offsets: Mapping[Partition, CommittedOffset]) -> None:
            if self._wrote and deaths:
                raise deaths.pop()
            await self.port.membership.consumer.commit(
                {TopicPartition(*p): c.offset for p, c in offsets.items()}
            )

    def group(settings: Any, spec: LaneSpec, **others: Any) -> LaneGroup:
        if spec.group.endswith(".make"):
            spec = replace(spec, wrap_port=Aside)
        return LaneGroup(settings, spec, **others)

    patch.setattr("farandole.worker.stage_host.LaneGroup", group)


def entry_lost(patch: pytest.MonkeyPatch) -> None:
    _bookkeeping(patch, 0)


def entry_doubled(patch: pytest.MonkeyPatch) -> None:
    _bookkeeping(patch, 2)


def _spoiled(patch: pytest.MonkeyPatch, spoil: Spoil) -> None:
    """Change one of all events that `make` emits."""
    emitted = [0]

    class Spoiling(LaneProcessor):
        def _close_transaction(
            self, settled: Sequence[Record], buffer: TransactionBuffer, seconds: float
        ) -> BatchResult:
            done = super()._close_transaction(settled, buffer, seconds)
            if self._stage != "make":
                return done
            writes = {into: [*out] for into, out in done.writes.items()}
            for into, out in writes.items():
                if into.topic.endswith(".made"):
                    before, emitted[0] = emitted[0], emitted[0] + len(out)
                    if before < NTH <= emitted[0]:
                        spoil(out, NTH - 1 - before)
            return done._replace(writes=writes)

    patch.setattr("farandole.worker.lane_assembly.LaneProcessor", Spoiling)


def _bookkeeping(patch: pytest.MonkeyPatch, times: int) -> None:
    """Fold one entry so many times."""
    numbers = count(1)

    class Careless(BookkeeperLane):
        def _fold_record(self, record: Record) -> None:
            for _ in range(times if next(numbers) == NTH_ENTRY else 1):
                super()._fold_record(record)

    patch.setattr("farandole.ledger.service.BookkeeperLane", Careless)
