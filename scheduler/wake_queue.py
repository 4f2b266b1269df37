"""Which schedules are to be looked at next, and when?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import count


class WakeQueue:
    """Keys, each with the time at which it is to be looked at. Taking what is due costs nothing for
    the others."""

    def __init__(self) -> None:
        self._times: dict[bytes, datetime] = {}
        self._heap: list[tuple[datetime, int, bytes]] = []
        """May have entries that count no more: those whose time is not in `_times`."""
        self._numbers = count()

    def set(self, key: bytes, time: datetime | None) -> None:
        """Set the time of a key, whatever it was before; None: it is not to be looked at."""
        if time is None:
            self._times.pop(key, None)
        elif self._times.get(key) != time:
            self._times[key] = time
            heappush(self._heap, (time, next(self._numbers), key))
            if len(self._heap) > 2 * len(self._times) + 100:
                self._forget_stale()

    def hasten(self, key: bytes, time: datetime) -> None:
        """Let a key be looked at no later than this."""
        known = self._times.get(key)
        if known is None or time < known:
            self.set(key, time)

    @property
    def next(self) -> datetime | None:
        """The time of the key that is to be looked at first; None if there is none."""
        while self._heap and self._is_stale(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: datetime) -> bytes | None:
        """Remove the key that was to be looked at first, if its time has come, and return it; None
        if no time has come."""
        first = self.next
        if first is None or first > now:
            return None
        _, _, key = heappop(self._heap)
        del self._times[key]
        return key

    def due_by(self, time: datetime) -> Iterator[bytes]:
        """Yield the keys whose time comes no later than this, in no order; some more than once. It
        costs nothing for the others. The queue must not change meanwhile."""
        positions = [0]
        while positions:
            position = positions.pop()
            if position < len(self._heap) and self._heap[position][0] <= time:
                if not self._is_stale(self._heap[position]):
                    yield self._heap[position][2]
                positions += (2 * position + 1, 2 * position + 2)  # no earlier than this one

    def __len__(self) -> int:
        return len(self._times)

    def _is_stale(self, entry: tuple[datetime, int, bytes]) -> bool:
        time, _, key = entry
        return self._times.get(key) != time

    def _forget_stale(self) -> None:
        self._heap = [entry for entry in self._heap if not self._is_stale(entry)]
        heapify(self._heap)
