"""How can the exactly-once be broken? Each of these is one mistake in a worker or a bookkeeper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import pytest
from aiokafka import TopicPartition

from farandole.events.record import Outgoing, Record
from farandole.lanes.group import Group
from farandole.lanes.lane import Done
from farandole.lanes.port import Committed, Partition, Unknown, Writes
from farandole.ledger.work import Bookkeeping
from farandole.worker.handling import Handling
from farandole.worker.results import Draft
from tests.lanes.broken import OffsetOutsideOfTheTransaction

NTH = 5_000
"""Which of all events that `make` emits is spoiled."""
LOST_ROOT = 1
"""Its offset."""
NTH_ENTRY = 5

Spoil = Callable[[list[Outgoing], int], None]
"""Change what is written to a partition, at this place; the entry says what was meant."""


def healthy(patch: pytest.MonkeyPatch) -> None:
    """Nothing is broken."""


def dropped(patch: pytest.MonkeyPatch) -> None:
    def drop(out: list[Outgoing], at: int) -> None:
        del out[at]

    _spoiled(patch, drop)


def doubled(patch: pytest.MonkeyPatch) -> None:
    def double(out: list[Outgoing], at: int) -> None:
        out.insert(at, out[at])

    _spoiled(patch, double)


def swapped(patch: pytest.MonkeyPatch) -> None:
    def swap(out: list[Outgoing], at: int) -> None:
        out[at] = out[at - 1 if at else 1]

    _spoiled(patch, swap)


def root_lost(patch: pytest.MonkeyPatch) -> None:
    class Losing(Handling):
        async def handle(self, records: Sequence[Record]) -> Done:
            if self._stage == "plan":
                if records[0].offset == LOST_ROOT:
                    return Done(1, {}, Draft(self._stage).tally)
                records = records[:1]
            return await super().handle(records)

    patch.setattr("farandole.worker.hosting.Handling", Losing)


def offset_aside(patch: pytest.MonkeyPatch) -> None:
    """The offset is committed behind the transaction, and once, in between, the lane dies."""
    deaths = [Unknown("the connection broke")]

    class Aside(OffsetOutsideOfTheTransaction):
        async def send(self, writes: Writes, offsets: Mapping[Partition, Committed]) -> None:
            await super().send(writes, offsets)
            self._wrote = bool(writes)

        async def commit_aside(self, offsets: Mapping[Partition, Committed]) -> None:
            if self._wrote and deaths:
                raise deaths.pop()
            await self.port.membership.consumer.commit(
                {TopicPartition(*p): c.offset for p, c in offsets.items()}
            )

    def group(settings: Any, name: str, *words: Any, **options: Any) -> Group:
        port = {"port": Aside} if name.endswith(".make") else {}
        return Group(settings, name, *words, **options, **port)

    patch.setattr("farandole.worker.hosting.Group", group)


def entry_lost(patch: pytest.MonkeyPatch) -> None:
    _bookkeeping(patch, 0)


def entry_doubled(patch: pytest.MonkeyPatch) -> None:
    _bookkeeping(patch, 2)


def _spoiled(patch: pytest.MonkeyPatch, spoil: Spoil) -> None:
    """One of all events that `make` emits."""
    emitted = [0]

    class Spoiling(Handling):
        def _done(self, settled: int, draft: Draft, seconds: float) -> Done:
            done = super()._done(settled, draft, seconds)
            if self._stage != "make":
                return done
            writes = {into: [*out] for into, out in done.writes.items()}
            for into, out in writes.items():
                if into.topic.endswith(".made"):
                    before, emitted[0] = emitted[0], emitted[0] + len(out)
                    if before < NTH <= emitted[0]:
                        spoil(out, NTH - 1 - before)
            return done._replace(writes=writes)

    patch.setattr("farandole.worker.hosting.Handling", Spoiling)


def _bookkeeping(patch: pytest.MonkeyPatch, times: int) -> None:
    """One entry is folded so many times."""
    numbers = count(1)

    class Careless(Bookkeeping):
        def _one(self, record: Record) -> None:
            for _ in range(times if next(numbers) == NTH_ENTRY else 1):
                super()._one(record)

    patch.setattr("farandole.ledger.service.Bookkeeping", Careless)
