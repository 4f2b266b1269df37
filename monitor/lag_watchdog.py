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
MARKERS_ONLY_AFTER = 6.0  # seconds in which nothing moves: what is left then are markers
STALLED_AFTER = 120.0  # seconds without one entry counted while there are some


class MonitorStalledError(BrokerError):
    """Kafka answers, entries wait, and none is counted."""


@dataclass(slots=True)
class LagStatus:
    """What was seen at the last look."""

    heard: float | None = None
    """When Kafka last answered, in seconds of the epoch."""
    unread: int | None = None
    """Offsets of the ledger that are not fetched, and entries that are not counted; None: nobody
    knows."""
    why: str | None = None
    """Why Kafka was not heard."""
    owned: tuple[int, ...] = ()
    """The partitions of the ledger that this monitor counts."""
    still: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    """By partition, its end and what was counted of it, and since when (in seconds of the epoch)
    neither has moved."""

    def left(self, partition: int, end: int, done: int, now: float) -> int:
        """Offsets that are not counted. The markers of transactions, which no entry ever passes,
        look like entries that wait inside of Faust; but those do not wait for ever."""
        before = self.still.get(partition)
        since = before[2] if before is not None and before[:2] == (end, done) else now
        self.still[partition] = end, done, since
        return 0 if now - since >= MARKERS_ONLY_AFTER else max(0, end - done)


async def watch_lag(settings: Settings, counting: MonitorApp, pulse: LagStatus) -> None:
    """Look every so often, until cancelled. Raises MonitorStalledError."""
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
                    done = counting.entries + counting.foreign
                    # A time in which we did not run ourselves (a machine asleep) is none of theirs.
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
            pulse.why = str(error)
            pulse.unread = None
            moved = time.monotonic()
            await asyncio.sleep(PROBE_INTERVAL)


async def _probe(
    admin: ClusterAdmin, partitions: list[TopicPartition], counting: MonitorApp, pulse: LagStatus
) -> None:
    """Raises BrokerError."""
    ends = await admin.end_offsets(partitions, stable=True)
    pulse.heard, pulse.why = time.time(), None
    consumer = counting.app.consumer
    if not counting.loaded:
        pulse.unread = None
        return
    owned = {tp.partition for tp in consumer.assignment() if tp.topic == counting.ledger}
    pulse.owned = tuple(sorted(owned))
    unread = 0
    for tp in partitions:
        if tp.partition not in owned:
            continue
        # Past trailing markers of transactions, which no entry ever passes.
        try:
            async with asyncio.timeout(PROBE_INTERVAL):
                position = await consumer.position(TP(tp.topic, tp.partition))
        except (KafkaError, TimeoutError):  # its partitions are being dealt out anew
            pulse.unread = None
            return
        # Before the first entry nothing is known but where Faust reads.
        done = counting.done.get(tp.partition, position or 0)
        behind = max(0, ends[tp] - (position or 0))
        unread += behind or pulse.left(tp.partition, ends[tp], done, pulse.heard)
    pulse.unread = max(unread, counting.waiting)
