"""How do many short questions to Kafka share clients that are open already?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Generic, NamedTuple, TypeVar

from farandole.broker.broker_errors import BrokerError
from farandole.broker.settings import Settings

T = TypeVar("T")
OpenNew = Callable[[Settings], AbstractAsyncContextManager[T]]

MAX_AGE = 30.0
"""Seconds after which a client is closed, long before it would ask anew about topics of which it
was asked, and which may be deleted by then."""
MAX_IDLE = 4

_kept: ContextVar[KeptAdmins[Any] | None] = ContextVar("farandole_kept_admins", default=None)


class KeptAdmins(Generic[T]):
    """Clients that stay open for a while after they were used. Each has one user at a time."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: the time in seconds, by any clock that only goes forward."""
        self._now = now
        self._idle: list[_Kept[T]] = []
        self._is_closed = False

    @asynccontextmanager
    async def lease(self, settings: Settings, open_new: OpenNew[T]) -> AsyncIterator[T]:
        """Yield a client that is idle, or a new one. It is closed after a BrokerError, and where
        the block is cancelled. Raises what `open_new` raises."""
        await self._close_old()
        kept = self._take(settings) or await self._open(settings, open_new)
        try:
            yield kept.client
        except (BrokerError, asyncio.CancelledError, GeneratorExit):
            await kept.stack.aclose()
            raise
        except BaseException:
            await self._keep(kept)
            raise
        else:
            await self._keep(kept)

    async def close(self) -> None:
        """Close all that are idle; those in use are closed when they are given back."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().stack.aclose()

    def _take(self, settings: Settings) -> _Kept[T] | None:
        found = next((kept for kept in self._idle if kept.settings == settings), None)
        if found is not None:
            self._idle.remove(found)
        return found

    async def _open(self, settings: Settings, open_new: OpenNew[T]) -> _Kept[T]:
        stack = AsyncExitStack()
        opened = self._now()
        client = await stack.enter_async_context(open_new(settings))
        return _Kept(settings, client, stack, opened)

    async def _keep(self, kept: _Kept[T]) -> None:
        if self._is_closed or len(self._idle) >= MAX_IDLE:
            await kept.stack.aclose()
        else:
            self._idle.append(kept)

    async def _close_old(self) -> None:
        oldest = self._now() - MAX_AGE
        while old := next((kept for kept in self._idle if kept.opened < oldest), None):
            self._idle.remove(old)
            await old.stack.aclose()


class _Kept(NamedTuple, Generic[T]):
    settings: Settings
    client: T
    stack: AsyncExitStack
    opened: float


@asynccontextmanager
async def sharing_admins() -> AsyncIterator[None]:
    """Let `ClusterAdmin.open` share clients in the block, and in the tasks that it starts."""
    kept = KeptAdmins[Any](asyncio.get_running_loop().time)
    before = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(before)
        await kept.close()


def shared_admins() -> KeptAdmins[Any] | None:
    """Return what `sharing_admins` keeps here; None outside of it."""
    return _kept.get()
