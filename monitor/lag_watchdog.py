"""Does Kafka answer, and how much of the ledger is not counted yet?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.monitor.faust_app import MonitorApp

PROBE_INTERVAL = 2.0  # seconds
MARKERS_ONLY_AFTER = 6.0  # seconds without progress: what is uncounted then is markers
STALLED_AFTER = 120.0  # seconds in which no entry is counted although some wait


class MonitorStalledError(BrokerError):
    """Kafka answers, entries wait, and none is counted."""


@dataclass(slots=True)
class LagStatus:
    """What the last probe has measured."""

    answered_at: float | None = None
    """When Kafka last answered, in seconds of the epoch."""
    unread: int | None = None
    """Offsets of the ledger that are not fetched, or entries that are not counted; None if it is
    not known."""
    failure: str | None = None
    """Why Kafka did not answer."""
    owned_partitions: tuple[int, ...] = ()
    """The partitions of the ledger that this monitor counts."""
    last_movement: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    """By partition: its end, the offset that is counted, and since when (in seconds of the epoch)
    both are unchanged."""

    def uncounted_offsets(self, partition: int, end: int, counted: int, now: float) -> int:
        """Return how many offsets before `end` are not counted. Transaction markers at the end look
        like entries that wait inside Faust; but entries do not wait for ever, so that after
        `MARKERS_ONLY_AFTER` without progress the rest is taken for markers."""
        before = self.last_movement.get(partition)
        since = before[2] if before is not None and before[:2] == (end, counted) else now
        self.last_movement[partition] = end, counted, since
        return 0 if now - since >= MARKERS_ONLY_AFTER else max(0, end - counted)


async def watch_lag(settings: Settings, counting: MonitorApp, pulse: LagStatus) -> None:
    """Probe every `PROBE_INTERVAL` seconds until cancelled. Raises MonitorStalledError."""
    partitions = [TopicPartition(counting.ledger, i) for i in range(counting.partitions)]
    moved = time.monotonic()
    before = -1
    while True:
        try:
            async with ClusterAdmin.open(settings) as admin:
                while True:
                    began = time.monotonic()
                    await _probe(admin, partitions, counting, pulse)
                    now = time.monotonic()
                    done = counting.entries + counting.foreign_records
                    # A probe that took this long means that this machine was suspended, not Faust.
                    if pulse.unread == 0 or done != before or now - began > STALLED_AFTER:
                        moved, before = now, done
                    if now - moved > STALLED_AFTER:
                        raise MonitorStalledError(
                            f"Kafka answers, and for {STALLED_AFTER:g} s no entry of "
                            f"{counting.ledger} was counted though some wait"
                        )
                    await asyncio.sleep(PROBE_INTERVAL)
        except MonitorStalledError:
            raise
        except BrokerError as error:
            pulse.failure = str(error)
            pulse.unread = None
            moved = time.monotonic()
            await asyncio.sleep(PROBE_INTERVAL)


async def _probe(
    admin: ClusterAdmin, partitions: list[TopicPartition], counting: MonitorApp, pulse: LagStatus
) -> None:
    """Measure once. Raises BrokerError."""
    ends = await admin.end_offsets(partitions, stable=True)
    pulse.answered_at, pulse.failure = time.time(), None
    consumer = counting.app.consumer
    if not counting.windows_loaded:
        pulse.unread = None
        return
    owned = {tp.partition for tp in consumer.assignment() if tp.topic == counting.ledger}
    pulse.owned_partitions = tuple(sorted(owned))
    unread = 0
    for tp in partitions:
        if tp.partition not in owned:
            continue
        # Past trailing markers of transactions, which no entry ever passes.
        try:
            async with asyncio.timeout(PROBE_INTERVAL):
                position = await consumer.position(TP(tp.topic, tp.partition))
        except (KafkaError, TimeoutError):  # its partitions are being reassigned
            pulse.unread = None
            return
        # Before the first entry, the only known position is where Faust reads.
        done = counting.counted_up_to.get(tp.partition, position or 0)
        behind = max(0, ends[tp] - (position or 0))
        unread += behind or pulse.uncounted_offsets(tp.partition, ends[tp], done, pulse.answered_at)
    pulse.unread = max(unread, counting.uncounted)
