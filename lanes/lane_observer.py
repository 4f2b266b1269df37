"""Which events does a lane report to metrics or tracing?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from farandole.events.record import Partition
from farandole.lanes.lane_work import BatchResult

ClosedReason = Literal["stopped", "abandoned", "lost ownership"]


class LaneObserver(Protocol):
    """Gets the events of one lane, at most a few for each transaction. The methods are synchronous
    and must not raise. The lane protocol has no clock: an observer reads the time itself."""

    def lane_opened(self, offsets: Mapping[Partition, int]) -> None:
        """The lane starts to read at these offsets, for the first time or after a failure."""

    def batch_committed(self, result: BatchResult, records: int) -> None:
        """A transaction with a result of the work is committed; `records` of its input are settled,
        0 if it was written while idle or at the end."""

    def lane_failed(self, reason: str, detail: str) -> None:
        """The lane failed and will open again. `reason`: Fenced, Unknown, Rejected or OffsetLost;
        `detail`: one line."""

    def lane_closed(self, reason: ClosedReason) -> None:
        """The lane has ended for good in this process."""


class NullObserver:
    """A LaneObserver that does nothing."""

    def lane_opened(self, offsets: Mapping[Partition, int]) -> None: ...

    def batch_committed(self, result: BatchResult, records: int) -> None: ...

    def lane_failed(self, reason: str, detail: str) -> None: ...

    def lane_closed(self, reason: ClosedReason) -> None: ...
