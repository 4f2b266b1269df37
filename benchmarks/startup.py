"""How long does the embedded Kafka take to start after hours of light load?

A light load is TRANSACTIONS a second over all lanes; each has a record, and an offset of a stage.
Some are made. Then what they have left in the topics of Kafka's coordinators is written there again
and again, until these have had as many records as in some hours. Kafka's cleaner has far less time
than in these hours, so what is left for a start to read is rather more.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from farandole.broker import embedded_kafka
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.broker.transactions import fenced_producer
from farandole.events.record import OutgoingRecord, Partition, Record

TRANSACTIONS = 10  # a second
SAMPLE = 1_000
"""Transactions that are really made, so that each lane has some."""
HOURS = (1, 24)
LANES = 64
_INTERNAL = {"__consumer_offsets": 2, "__transaction_state": 4}
"""By topic, the records of one transaction. (Of the two offsets, one is a marker.)"""
_TIMES = 20  # each row in a batch
_ADMIN = "__admin_client"  # the client that Kafka lets write into its internal topics


async def measure(hours: Sequence[float] = HOURS) -> dict[str, Any]:
    """Return, for each of these numbers of hours, the seconds of a start after them, and the size
    of the topics that it has to read."""
    figures: dict[str, Any] = {"what": f"{TRANSACTIONS} transactions a second over {LANES} lanes"}
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        home = Path(folder)
        running = await embedded_kafka.start_embedded(home, progress=_silent, port=9392)
        try:
            figures["seconds, empty"] = await _restart(home)
            settings = Settings(bootstrap=running.address, replication_factor=1)
            await _make_transactions(settings)
            done = 0.0
            for until in sorted(hours):
                began = time.monotonic()
                await _repeat_rows(settings, int((until - done) * 3600 * TRANSACTIONS))
                figures[f"written in s, {until:g} h"] = time.monotonic() - began
                figures |= {f"{name}, {until:g} h": mb for name, mb in _sizes(home).items()}
                figures[f"seconds, {until:g} h"] = await _restart(home)
                figures[f"seconds after kill -9, {until:g} h"] = await _restart(home, killed=True)
                done = until
        finally:
            await embedded_kafka.stop_embedded(home)
    return figures


async def _make_transactions(settings: Settings) -> None:
    names = settings.names
    topic, group = names.event_topic("load", "lines"), names.stage_group("load", "lines")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(LANES)})
    for index in range(LANES):
        lane = names.lane_transactional_id("load", "lines", index)
        async with fenced_producer(settings, lane) as producer:
            for offset in range(SAMPLE // LANES):
                out = {Partition(topic, index): [OutgoingRecord(None, b"{}")]}
                offsets = {group: {TopicPartition(topic, index): offset}}
                await producer.transact(out, int(time.time() * 1000), offsets)


async def _repeat_rows(settings: Settings, transactions: int) -> None:
    """Write what so many transactions would write into the internal topics."""
    client = make_producer(settings, client_id=_ADMIN, enable_idempotence=False)
    async with open_client(client, settings):
        for topic, each in _INTERNAL.items():
            found = [row async for batch in scan(settings, [topic]) for row in batch]
            rows = list({row.key: row for row in found if row.value is not None}.values())
            sent = []
            for _ in range(-(-transactions * each // (len(rows) * _TIMES))):
                for partition, of_partition in _by_partition(rows).items():
                    batch = client.create_batch()
                    for row in of_partition * _TIMES:
                        assert batch.append(key=row.key, value=row.value, timestamp=None)
                    sent.append(await client.send_batch(batch, topic, partition=partition))
            await asyncio.gather(*sent)


def _by_partition(rows: Sequence[Record]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    for row in rows:
        found.setdefault(row.partition, []).append(row)
    return found


async def _restart(home: Path, *, killed: bool = False) -> float:
    """Return the seconds from the start of a Kafka that does not run until it serves every
    group."""
    if killed:
        running = embedded_kafka.embedded_status(home)
        assert running is not None
        os.kill(running.first.pid, signal.SIGKILL)
        while embedded_kafka.embedded_status(home) is not None:
            await asyncio.sleep(0.02)
    else:
        await embedded_kafka.stop_embedded(home)
    began = time.monotonic()
    await embedded_kafka.start_embedded(home, progress=_silent)
    return time.monotonic() - began


def _sizes(home: Path) -> dict[str, float]:
    """Return the MB of each internal topic, and those of its largest partition."""
    data = embedded_kafka.kafka_home(home) / "data"
    found = {}
    for topic in _INTERNAL:
        sizes = [
            sum(file.stat().st_size for file in partition.glob("*.log")) / 1e6
            for partition in data.glob(f"{topic}-*")
        ]
        found |= {
            f"MB of {topic}": sum(sizes),
            f"MB of its largest partition ({topic})": max(sizes),
        }
    return found


def _silent(_: str) -> None: ...
