"""Which notices are under way, and what came of those that have ended?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from farandole.events.incident_record import Notice
from farandole.notifier.delivery_outcome import AttemptResult

log = structlog.get_logger()

DeliverNotice = Callable[[Notice], Awaitable[AttemptResult]]

_MAX_CONCURRENT = 4


class DeliveryTasks:
    """Attempts in tasks of their own, so that a mail server that hangs holds up nobody."""

    def __init__(self, deliver: DeliverNotice) -> None:
        self._deliver = deliver
        self._turn = asyncio.Semaphore(_MAX_CONCURRENT)
        self._under_way: dict[bytes, asyncio.Task[AttemptResult]] = {}
        self._ended: list[tuple[bytes, AttemptResult]] = []
        self._begun: set[bytes] = set()

    def start(self, notice: Notice) -> None:
        task = asyncio.create_task(self._attempt(notice))
        self._under_way[notice.key] = task
        # Of a task that is cancelled before its first step nothing runs but this.
        task.add_done_callback(partial(self._over, notice))

    def ended(self) -> list[tuple[bytes, AttemptResult]]:
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

    async def _attempt(self, notice: Notice) -> AttemptResult:
        async with self._turn:
            self._begun.add(notice.key)
            return await self._deliver(notice)

    def _over(self, notice: Notice, task: asyncio.Task[AttemptResult]) -> None:
        del self._under_way[notice.key]
        begun = notice.key in self._begun
        self._begun.discard(notice.key)
        if task.cancelled():
            attempt = (
                _failed_attempt(notice, "was broken off")
                if begun
                else AttemptResult(notice, made=False)
            )
        elif error := task.exception():
            log.error("notice.broken", notice=notice.id, exc_info=error)
            attempt = _failed_attempt(notice, type(error).__name__)
        else:
            attempt = task.result()
        self._ended.append((notice.key, attempt))
        for to, why in attempt.failures.items():
            log.warning("notice.failed", notice=notice.id, to=to, why=why)


def _failed_attempt(notice: Notice, why: str) -> AttemptResult:
    return AttemptResult(left=notice, failures={"attempt": why})
