"""Does Kafka answer, and how much of the ledger is not counted yet?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from farandole.broker.admin import Admin
from farandole.broker.errors import BrokerError
from farandole.broker.settings import Settings
from farandole.monitor.app import Counting

EVERY = 2.0  # seconds
STILL = 6.0  # seconds in which nothing moves: what is left then are markers
STALLED = 120.0  # seconds without one entry counted while there are some


class Stalled(BrokerError):  # noqa: N818 -- what the consumer is
    """Kafka answers, entries wait, and none is counted."""


@dataclass(slots=True)
class Pulse:
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
        return 0 if now - since >= STILL else max(0, end - done)


async def watch(settings: Settings, counting: Counting, pulse: Pulse) -> None:
    """Look every so often, until cancelled. Raises Stalled."""
    partitions = [TopicPartition(counting.ledger, i) for i in range(counting.partitions)]
    moved = time.monotonic()
    before = -1
    while True:
        try:
            async with Admin.open(settings) as admin:
                while True:
                    began = time.monotonic()
                    await _look(admin, partitions, counting, pulse)
                    now = time.monotonic()
                    done = counting.entries + counting.foreign
                    # A time in which we did not run ourselves (a machine asleep) is none of theirs.
                    if pulse.unread == 0 or done != before or now - began > STALLED:
                        moved, before = now, done
                    if now - moved > STALLED:
                        raise Stalled(
                            f"Kafka answers, and for {STALLED:g} s no entry of "
                            f"{counting.ledger} was counted though some wait"
                        )
                    await asyncio.sleep(EVERY)
        except Stalled:
            raise
        except BrokerError as error:
            pulse.why = str(error)
            pulse.unread = None
            moved = time.monotonic()
            await asyncio.sleep(EVERY)


async def _look(
    admin: Admin, partitions: list[TopicPartition], counting: Counting, pulse: Pulse
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
            async with asyncio.timeout(EVERY):
                position = await consumer.position(TP(tp.topic, tp.partition))
        except (KafkaError, TimeoutError):  # its partitions are being dealt out anew
            pulse.unread = None
            return
        # Before the first entry nothing is known but where Faust reads.
        done = counting.done.get(tp.partition, position or 0)
        behind = max(0, ends[tp] - (position or 0))
        unread += behind or pulse.left(tp.partition, ends[tp], done, pulse.heard)
    pulse.unread = max(unread, counting.waiting)
