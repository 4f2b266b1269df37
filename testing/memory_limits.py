"""How do functions wait for a limit in memory, where no other process has it?"""

from __future__ import annotations

from farandole.testing.virtual_time import VirtualClock
from farandole.worker.dependency_limits.process_limits import StageLimits


class MemoryStageLimits:
    """The limits of a stage whose time jumps: `farandole.worker.call_time.LimitWaits`."""

    def __init__(self, limits: StageLimits, clock: VirtualClock) -> None:
        self._limits = limits
        self._clock = clock

    async def wait(self, name: str, *, in_thread: bool = False) -> None:
        self._clock.idle_threads += in_thread
        try:
            await self._limits.wait(name)
        finally:
            self._clock.idle_threads -= in_thread

    def is_short(self) -> bool:
        return self._limits.is_short()
