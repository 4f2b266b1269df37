"""How much memory do the parked events of all lanes of this process take, and is there room for
more?"""

from __future__ import annotations

from farandole.stages.memory_limit import memory_limit
from farandole.worker.limits import MAX_PARKED_BYTES, MAX_PROCESS_PARKED_BYTES, PARKED_MEMORY_SHARE


class ParkedMemory:
    """`farandole.lanes.lane_spec.StateRoom`, shared by the lanes of one process. At `limit` bytes
    no lane takes further input, and no further lane reads its state."""

    def __init__(self, limit: int = MAX_PROCESS_PARKED_BYTES) -> None:
        self._limit = limit
        self._reading = 0  # lanes that read their state now
        self.used = 0
        """Bytes of the parked events that lanes hold now."""

    @classmethod
    def of_process(cls) -> ParkedMemory:
        """Return that of a process with the limit of memory that it has now."""
        limit = memory_limit()
        if limit is None:
            return cls()
        return cls(min(MAX_PROCESS_PARKED_BYTES, int(limit * PARKED_MEMORY_SHARE)))

    @property
    def is_full(self) -> bool:
        """True if no more events are to be parked."""
        return self.used >= self._limit

    def reserve(self) -> bool:
        if self.is_full:
            return False
        expected = self.used + (self._reading + 1) * MAX_PARKED_BYTES
        if self._reading and expected > self._limit:
            return False
        self._reading += 1
        return True

    def release(self) -> None:
        self._reading -= 1
