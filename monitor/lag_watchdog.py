"""Does Kafka answer, and how much of the ledger is not counted yet?"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.monitor.faust_app import MonitorApp

PROBE_INTERVAL = 2.0  # seconds
LATE_AFTER = 10.0  # seconds that an entry may wait until it counts as late
MARKERS_ONLY_AFTER = 6.0  # seconds without progress; then only markers can be uncounted
STALLED_AFTER = 120.0  # seconds in which no entry is counted although some wait
STALLED_WHEN_WOKEN = 20.0  # the same, after the process was frozen


class MonitorStalledError(BrokerError):
    """Kafka answers, entries wait, and none is counted."""


@dataclass(slots=True)
class LagStatus:
    """The result of the last probe."""

    answered_at: float | None = None
    """When Kafka last answered, in seconds of the epoch."""
    unread: int | None = None
    """Offsets of the ledger that are not fetched, or entries that are not counted; None if it is
    not known."""
    late: int = 0
    """Of the unread offsets, those that were in the ledger `LATE_AFTER` seconds ago, or at the
    first probe. While there are any, the monitor is catching up."""
    failure: str | None = None
    """Why Kafka did not answer."""
    owned_partitions: tuple[int, ...] = ()
    """The partitions of the ledger that this monitor counts."""
    last_movement: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    """By partition: its end offset, the offset up to which entries are counted, and since when (in
    seconds of the epoch) both are unchanged."""
    earlier_ends: deque[tuple[float, dict[int, int]]] = field(default_factory=deque)
    """The end offsets by partition at earlier probes, with the time of each probe."""

    def uncounted_offsets(self, partition: int, end: int, counted: int, now: float) -> int:
        """Return how many offsets before `end` are not counted.

        Transaction markers at the end look like entries that wait inside Faust. But entries do not
        wait for ever: after `MARKERS_ONLY_AFTER` seconds without progress, the rest is markers."""
        before = self.last_movement.get(partition)
        since = before[2] if before is not None and before[:2] == (end, counted) else now
        self.last_movement[partition] = end, counted, since
        return 0 if now - since >= MARKERS_ONLY_AFTER else max(0, end - counted)

    def late_offsets(self, ends: Mapping[int, int], unread: Mapping[int, int], now: float) -> int:
        """Return how many of the unread offsets were in the ledger `LATE_AFTER` seconds before
        `now`, or at the first probe. Both arguments are by partition.

        It is measured in offsets because the times in entries are of other machines' clocks."""
        earlier = self.earlier_ends
        earlier.append((now, dict(ends)))
        while len(earlier) > 1 and earlier[1][0] <= now - LATE_AFTER:
            earlier.popleft()
        before = earlier[0][1]
        return sum(
            max(0, before[partition] - (ends[partition] - behind))
            for partition, behind in unread.items()
        )


@dataclass(slots=True)
class StallWatch:
    """Judges whether Faust has ceased to count. All times are of one monotonic clock."""

    longest_round: float
    """In seconds. If more pass between two calls, the process was frozen: Kafka has given its
    partitions away, and Faust must join its group again."""
    patience: float = STALLED_AFTER
    """Seconds in which something must be counted; less after the process was frozen, because a new
    process counts again within seconds."""
    _called_at: float | None = None
    _moved: float = 0.0
    _counted: int | None = None

    def is_stalled(self, now: float, counted: int, unread: int | None) -> bool:
        """Return True if nothing was counted for too long although entries are `unread`, or it is
        not known how many. `counted` grows with each entry."""
        if self._called_at is None:
            self._moved = now
        elif now - self._called_at > self.longest_round:
            self._moved, self.patience = now, STALLED_WHEN_WOKEN
        self._called_at = now
        if counted != self._counted:
            if self._counted is not None:
                self.patience = STALLED_AFTER
            self._moved, self._counted = now, counted
        elif unread == 0:
            self._moved = now
        return now - self._moved > self.patience

    def restart(self, now: float) -> None:
        """Judge from now on: Kafka did not answer until now."""
        self._called_at = self._moved = now


async def watch_lag(settings: Settings, counting: MonitorApp, lag: LagStatus) -> None:
    """Probe every `PROBE_INTERVAL` seconds until cancelled. Raises MonitorStalledError."""
    partitions = [TopicPartition(counting.ledger, i) for i in range(counting.partitions)]
    stall = StallWatch(settings.session_timeout + PROBE_INTERVAL)
    while True:
        try:
            async with ClusterAdmin.open(settings) as admin:
                while True:
                    await _probe(admin, partitions, counting, lag)
                    done = counting.entries + counting.foreign_records
                    if stall.is_stalled(time.monotonic(), done, lag.unread):
                        raise MonitorStalledError(
                            f"Kafka answers, and for {stall.patience:g} s no entry of "
                            f"{counting.ledger} was counted though some wait"
                        )
                    await asyncio.sleep(PROBE_INTERVAL)
        except MonitorStalledError:
            raise
        except BrokerError as error:
            lag.failure = str(error)
            lag.unread = None
            stall.restart(time.monotonic())
            await asyncio.sleep(PROBE_INTERVAL)


async def _probe(
    admin: ClusterAdmin, partitions: list[TopicPartition], counting: MonitorApp, lag: LagStatus
) -> None:
    """Measure once. Raises BrokerError."""
    ends = await admin.end_offsets(partitions, stable=True)
    lag.answered_at, lag.failure = time.time(), None
    consumer = counting.app.consumer
    if not counting.windows_loaded:
        lag.unread = None
        return
    owned = {tp.partition for tp in consumer.assignment() if tp.topic == counting.ledger}
    lag.owned_partitions = tuple(sorted(owned))
    unread: dict[int, int] = {}
    unfetched: dict[int, int] = {}
    for tp in partitions:
        if tp.partition not in owned:
            continue
        # The position also moves past transaction markers at the end.
        try:
            async with asyncio.timeout(PROBE_INTERVAL):
                position = await consumer.position(TP(tp.topic, tp.partition))
        except (KafkaError, TimeoutError):  # its partitions are being reassigned
            lag.unread = None
            return
        # Before the first entry, the only known position is where Faust reads.
        done = counting.counted_up_to.get(tp.partition, position or 0)
        unfetched[tp.partition] = max(0, ends[tp] - (position or 0))
        unread[tp.partition] = unfetched[tp.partition] or lag.uncounted_offsets(
            tp.partition, ends[tp], done, lag.answered_at
        )
    lag.unread = max(sum(unread.values()), counting.uncounted)
    lag.late = lag.late_offsets(
        {tp.partition: ends[tp] for tp in partitions},
        unread if counting.uncounted else unfetched,  # else what is fetched can only be markers
        time.monotonic(),
    )
