"""Which notices are being delivered, and what are the results of finished attempts?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from farandole.events.incident_record import Notice
from farandole.notifier.delivery_outcome import AttemptResult

log = structlog.get_logger()

OwnershipCheck = Callable[[], Awaitable[bool]]
"""Returns True if the lane is ours at this moment, by the word of Kafka."""
DeliverNotice = Callable[[Notice, OwnershipCheck], Awaitable[AttemptResult]]
"""Makes one attempt; it sends nothing without asking the check first."""

_MAX_CONCURRENT = 4


class DeliveryTasks:
    """Runs each attempt in its own task, so that a mail server that hangs delays no other
    notice.

    An attempt can wait for its slot for as long as a mail server hangs, and a process can be frozen
    for any time. So `owns_lane` is asked when an attempt begins, not when it was planned."""

    def __init__(self, deliver: DeliverNotice, owns_lane: OwnershipCheck) -> None:
        self._deliver = deliver
        self._owns_lane = owns_lane
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)
        self._running: dict[bytes, asyncio.Task[AttemptResult]] = {}
        self._finished: list[tuple[bytes, AttemptResult]] = []
        self._started: set[bytes] = set()
        """The keys in `_running` whose attempt has begun. The others wait for a slot."""

    def start(self, notice: Notice) -> None:
        """Begin an attempt as soon as a slot is free."""
        task = asyncio.create_task(self._attempt(notice))
        self._running[notice.key] = task
        # If a task is cancelled before its first step, only this callback runs.
        task.add_done_callback(partial(self._on_done, notice))

    def take_finished(self) -> list[tuple[bytes, AttemptResult]]:
        """Return the attempts that have finished since the last call, by the notice's key."""
        finished, self._finished = self._finished, []
        return finished

    def cancel_queued(self) -> None:
        """Cancel the attempts that have not begun; their results say so."""
        for key, task in self._running.items():
            if key not in self._started:
                task.cancel()

    async def stop(self, drain_seconds: float) -> None:
        """Cancel the attempts that have not begun, and wait up to `drain_seconds` for the others.

        Attempts that are still running after that are cancelled."""
        tasks = set(self._running.values())
        if not tasks:
            return
        self.cancel_queued()
        if self._started:
            log.info("notifier.draining", attempts=len(self._started), seconds=drain_seconds)
        try:
            await asyncio.wait(tasks, timeout=drain_seconds)
        finally:  # also if this call is cancelled, because the next owner makes the same attempts
            for task in tasks:
                task.cancel()
        await asyncio.wait(tasks)

    async def _attempt(self, notice: Notice) -> AttemptResult:
        async with self._slots:
            self._started.add(notice.key)
            return await self._deliver(notice, self._owns_lane)

    def _on_done(self, notice: Notice, task: asyncio.Task[AttemptResult]) -> None:
        del self._running[notice.key]
        had_started = notice.key in self._started
        self._started.discard(notice.key)
        if task.cancelled():
            attempt = (
                _failed_attempt(notice, "was broken off")
                if had_started
                else AttemptResult(notice, was_made=False)
            )
        elif error := task.exception():
            log.error("notice.broken", notice=notice.id, exc_info=error)
            attempt = _failed_attempt(notice, type(error).__name__)
        else:
            attempt = task.result()
        if not attempt.was_made:
            log.info("notice.not_sent", notice=notice.id, why="this notifier does not own the lane")
        self._finished.append((notice.key, attempt))
        for to, reason in attempt.failures.items():
            log.warning("notice.failed", notice=notice.id, to=to, why=reason)


def _failed_attempt(notice: Notice, reason: str) -> AttemptResult:
    return AttemptResult(remaining=notice, failures={"attempt": reason})
