"""Which notices are under way, and what came of those that have ended?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from farandole.events.incident import Notice
from farandole.notifier.outcome import Attempt

log = structlog.get_logger()

Deliver = Callable[[Notice], Awaitable[Attempt]]

_AT_ONCE = 4


class Sending:
    """Attempts in tasks of their own, so that a mail server that hangs holds up nobody."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[bytes, asyncio.Task[Attempt]] = {}
        self._ended: list[tuple[bytes, Attempt]] = []
        self._begun: set[bytes] = set()

    def start(self, notice: Notice) -> None:
        task = asyncio.create_task(self._attempt(notice))
        self._under_way[notice.key] = task
        # Of a task that is cancelled before its first step nothing runs but this.
        task.add_done_callback(partial(self._over, notice))

    def ended(self) -> list[tuple[bytes, Attempt]]:
        """Since this was last called."""
        ended, self._ended = self._ended, []
        return ended

    async def end(self, patience: float) -> None:
        """Begin nothing more; wait for what is under way, and after `patience` seconds no more."""
        tasks = set(self._under_way.values())
        if not tasks:
            return
        for key, task in self._under_way.items():
            if key not in self._begun:
                task.cancel()
        try:
            await asyncio.wait(tasks, timeout=patience)
        finally:  # also where we are abandoned: a successor makes the same attempts
            for task in tasks:
                task.cancel()
        await asyncio.wait(tasks)

    async def _attempt(self, notice: Notice) -> Attempt:
        async with self._turn:
            self._begun.add(notice.key)
            return await self._deliver(notice)

    def _over(self, notice: Notice, task: asyncio.Task[Attempt]) -> None:
        del self._under_way[notice.key]
        begun = notice.key in self._begun
        self._begun.discard(notice.key)
        if task.cancelled():
            attempt = _failed(notice, "was broken off") if begun else Attempt(notice, made=False)
        elif error := task.exception():
            log.error("notice.broken", notice=notice.id, exc_info=error)
            attempt = _failed(notice, type(error).__name__)
        else:
            attempt = task.result()
        self._ended.append((notice.key, attempt))
        for to, why in attempt.failures.items():
            log.warning("notice.failed", notice=notice.id, to=to, why=why)


def _failed(notice: Notice, why: str) -> Attempt:
    return Attempt(left=notice, failures={"attempt": why})
