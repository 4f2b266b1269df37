"""For what do the events of a lane's inputs wait: for a verdict on their run, or for the rate?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from farandole.events.record import Partition, Record
from farandole.lanes.lane_work import BatchResult, ThrottledInputs
from farandole.worker.run_gate import RunGate
from farandole.worker.throttle.lane_throttle import LaneThrottle


class InputWaits:
    """`farandole.lanes.lane_work.InputThrottle` of a lane with a gate."""

    def __init__(
        self,
        gate: RunGate,
        throttle: LaneThrottle | None,
        write: Callable[[], BatchResult | None],
    ) -> None:
        """`write` returns what the lane has to write now."""
        self._gate = gate
        self._throttle = throttle
        self._write = write

    def waits(
        self, pending: Sequence[Record], unread: Callable[[], Mapping[Partition, int]]
    ) -> ThrottledInputs | None:
        shut = self._gate.shut_topics(pending)
        free = [record for record in pending if record.topic not in shut] if shut else pending
        limited = None if self._throttle is None else self._throttle.waits(free, unread)
        if not shut:
            return limited
        if limited is None:
            return ThrottledInputs(shut.__contains__, None)
        holds = limited.holds
        return ThrottledInputs(lambda topic: topic in shut or holds(topic), limited.seconds)

    def asks_for_ends(self) -> bool:
        return self._throttle is not None and self._throttle.asks_for_ends()

    def on_wait(self) -> BatchResult | None:
        return self._write()
