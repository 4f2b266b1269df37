"""How can the protocol be broken? Each of these ports breaks one rule of it, on purpose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from farandole.events.record import Partition, PartitionWrites
from farandole.lanes.lane_port import (
    CommittedOffset,
    FencedError,
    OutcomeUnknownError,
    PlacedOffsets,
    StateTables,
)


class _Around:
    """All calls go to the port inside."""

    def __init__(self, port: Any) -> None:
        self.port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


class OffsetReadBeforeTheFence(_Around):
    async def fence(self) -> None:
        self._early: Mapping[Partition, CommittedOffset] = await self.port.committed_offsets()
        await self.port.fence()

    async def committed_offsets(self) -> Mapping[Partition, CommittedOffset]:
        return self._early


class StateReadBeforeTheFence(_Around):
    async def fence(self) -> None:
        self._early: StateTables = await self.port.read_state()
        await self.port.fence()

    async def read_state(self) -> StateTables:
        return self._early


class OffsetOutsideOfTheTransaction(_Around):
    """The transaction repeats the last offsets; `commit_aside(offsets)` then moves them, as a plain
    consumer would."""

    async def committed_offsets(self) -> Mapping[Partition, CommittedOffset]:
        last: Mapping[Partition, CommittedOffset] = await self.port.committed_offsets()
        self._last = last
        return last

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        found: PlacedOffsets = await self.port.send(writes, self._last, placed)
        self._next = offsets
        return found

    async def commit(self) -> None:
        await self.port.commit()
        await self.commit_aside(self._next)
        self._last = self._next

    async def commit_aside(self, offsets: Mapping[Partition, CommittedOffset]) -> None:
        raise NotImplementedError


class RebuiltByAZombie(_Around):
    """Fenced or unanswered, it starts a new producer and sends the same batch once more."""

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        self._again = writes, offsets, placed
        try:
            found: PlacedOffsets = await self.port.send(writes, offsets, placed)
            return found
        except (FencedError, OutcomeUnknownError):
            return await self._rebuild()

    async def commit(self) -> None:
        try:
            await self.port.commit()
        except (FencedError, OutcomeUnknownError):
            await self._rebuild()
            await self.port.commit()

    async def _rebuild(self) -> PlacedOffsets:
        await self.port.force_close()
        await self.port.fence()
        await self.port.begin()
        found: PlacedOffsets = await self.port.send(*self._again)
        return found


class SilentAfterAFence(_Around):
    """Fenced while it still holds the partition, it waits for a rebalance that never comes."""

    async def confirm_ownership(self) -> bool:
        return False
