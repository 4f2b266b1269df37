"""What is measured of the lanes of one consumer group?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from farandole.events.record import Partition
from farandole.lanes.lane_observer import ClosedReason, LaneObserver
from farandole.lanes.lane_work import BatchResult
from farandole.telemetry.meter import Count, Histogram, Meter, Sample
from farandole.telemetry.metric_catalog import (
    BATCH_EVENTS,
    BIRTHS,
    CONSUMED,
    FAILURES,
    LAG_EVENTS,
    LAG_SECONDS,
    LANES,
    PROCESS_SECONDS,
    REBALANCES,
    TRANSACTION_SECONDS,
)

STUCK_SECONDS = 60.0
"""A lane that has not opened, or taken no step, for so long is not ready."""


def _nothing() -> int:
    return 0


class LaneMeter:
    """What one lane has done when; times are of `time.monotonic`, and `oldest` is of the epoch."""

    __slots__ = ("began", "lag", "oldest", "opened", "started", "transaction_seconds", "turned")

    def __init__(self, transaction_seconds: Histogram) -> None:
        now = time.monotonic()
        self.transaction_seconds = transaction_seconds
        """Of the transactions of all lanes of the group."""
        self.started = now
        """Since when the lane is not open, if it is not."""
        self.opened = False
        self.turned = now
        """When it has last fetched, waited or committed."""
        self.began = now
        """When it could begin with the batch that it works on."""
        self.oldest: float | None = None
        """The time of the oldest record that it has fetched and not settled; None if there is
        none."""
        self.lag: Callable[[], int] = _nothing
        """Returns how many offsets of its inputs it has not settled."""


class GroupMeter:
    """Measures the lanes of a group in this process."""

    def __init__(self, meter: Meter, group: str, pipeline: str = "", stage: str = "") -> None:
        """`pipeline` and `stage` are empty for the group of a service."""
        labels = (pipeline, stage, group)
        self._meter = meter
        self._labels = labels
        self.consumed = meter.count(CONSUMED, *labels)
        self.births = meter.count(BIRTHS, *labels)
        self._rebalances = meter.count(REBALANCES, *labels)
        self.batch_events = meter.histogram(BATCH_EVENTS, *labels)
        self.process_seconds = meter.histogram(PROCESS_SECONDS, *labels)
        self._transaction_seconds = meter.histogram(TRANSACTION_SECONDS, *labels)
        self._lanes: Mapping[int, LaneMeter] = {}
        meter.watch(self, self._samples, self._problems)

    def assign(self, indexes: Iterable[int]) -> Mapping[int, LaneMeter]:
        """Begin to measure new lanes; return their meters by index."""
        self._rebalances.add()
        self._lanes = {index: LaneMeter(self._transaction_seconds) for index in indexes}
        return self._lanes

    def revoke(self) -> None:
        """Measure no lane for now."""
        self._lanes = {}

    def observer(self, lane: LaneMeter, inner: LaneObserver) -> LaneObserver:
        """Return the observer of a lane; what it is told it passes on to `inner`."""
        return _MeteredLane(self, lane, inner)

    def end(self) -> None:
        """Measure no longer: the group has ended."""
        self._meter.forget(self)

    def failures(self, reason: str) -> Count:
        """Return the count of failures for one reason."""
        return self._meter.count(FAILURES, *self._labels, reason)

    def _samples(self) -> Iterator[Sample]:
        is_open = sum(lane.opened for lane in self._lanes.values())
        yield Sample(LANES, (*self._labels, "open"), is_open)
        yield Sample(LANES, (*self._labels, "opening"), len(self._lanes) - is_open)
        now = time.time()
        for index, lane in self._lanes.items():
            age = 0.0 if lane.oldest is None else max(0.0, now - lane.oldest)
            labels = (*self._labels, str(index))
            yield Sample(LAG_EVENTS, labels, lane.lag())
            yield Sample(LAG_SECONDS, labels, age)

    def _problems(self) -> Iterable[str]:
        now = time.monotonic()
        group = self._labels[2]
        for index, lane in self._lanes.items():
            if not lane.opened and now - lane.started > STUCK_SECONDS:
                yield f"lane {index} of {group} has not opened for {now - lane.started:.0f} s"
            elif lane.opened and now - lane.turned > STUCK_SECONDS:
                yield f"lane {index} of {group} has taken no step for {now - lane.turned:.0f} s"


class _MeteredLane:
    """A LaneObserver that measures."""

    def __init__(self, group: GroupMeter, lane: LaneMeter, inner: LaneObserver) -> None:
        self._group = group
        self._lane = lane
        self._inner = inner

    def lane_opened(self, offsets: Mapping[Partition, int]) -> None:
        lane = self._lane
        self._group.births.add()
        lane.opened, lane.oldest = True, None
        lane.turned = lane.began = time.monotonic()
        self._inner.lane_opened(offsets)

    def batch_committed(self, result: BatchResult, records: int) -> None:
        group, now = self._group, time.monotonic()
        if records:
            group.consumed.add(records)
            group.batch_events.observe(records)
            group.process_seconds.observe(now - self._lane.began)
        self._lane.began = now
        self._inner.batch_committed(result, records)

    def lane_failed(self, reason: str, detail: str) -> None:
        self._group.failures(reason).add()
        if self._lane.opened:
            self._lane.opened, self._lane.started = False, time.monotonic()
        self._inner.lane_failed(reason, detail)

    def lane_closed(self, reason: ClosedReason) -> None:
        self._lane.opened = False
        self._inner.lane_closed(reason)
