"""How can the protocol be broken? Each of these ports breaks one rule of it, on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farandole.lanes.port import Committed, Fenced, Partition, Tables, Unknown, Writes


class _Around:
    """All calls go to the port inside."""

    def __init__(self, port: Any) -> None:
        self.port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


class OffsetReadBeforeTheFence(_Around):
    async def fence(self) -> None:
        self._early = await self.port.committed()
        await self.port.fence()

    async def committed(self) -> Mapping[Partition, Committed]:
        return self._early


class StateReadBeforeTheFence(_Around):
    async def fence(self) -> None:
        self._early = await self.port.tables()
        await self.port.fence()

    async def tables(self) -> Tables:
        return self._early


class OffsetOutsideOfTheTransaction(_Around):
    """The transaction repeats the last offsets; `commit_aside(offsets)` then moves them, as a plain
    consumer would."""

    async def committed(self) -> Mapping[Partition, Committed]:
        self._last: Mapping[Partition, Committed] = await self.port.committed()
        return self._last

    async def send(self, writes: Writes, offsets: Mapping[Partition, Committed]) -> None:
        await self.port.send(writes, self._last)
        self._next = offsets

    async def commit(self) -> None:
        await self.port.commit()
        await self.commit_aside(self._next)
        self._last = self._next

    async def commit_aside(self, offsets: Mapping[Partition, Committed]) -> None:
        raise NotImplementedError


class RebuiltByAZombie(_Around):
    """Fenced or unanswered, it starts a new producer and sends the same batch once more."""

    async def send(self, writes: Writes, offsets: Mapping[Partition, Committed]) -> None:
        self._again = writes, offsets
        try:
            await self.port.send(writes, offsets)
        except (Fenced, Unknown):
            await self._rebuild()

    async def commit(self) -> None:
        try:
            await self.port.commit()
        except (Fenced, Unknown):
            await self._rebuild()
            await self.port.commit()

    async def _rebuild(self) -> None:
        await self.port.discard()
        await self.port.fence()
        await self.port.begin()
        await self.port.send(*self._again)


class SilentAfterAFence(_Around):
    """Fenced while it still holds the partition, it waits for a rebalance that never comes."""

    async def held(self) -> bool:
        return False
