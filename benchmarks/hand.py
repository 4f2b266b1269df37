"""How would a careful engineer write exactly-once hops with aiokafka alone?

It has one consumer, a transactional producer per partition, batches and orjson. It handles no
rebalance and no error, and has no retries and no dead letters: it costs what the client costs.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata


async def hop(
    bootstrap: str,
    source: str,
    target: str,
    partitions: int,
    group: str,
    lines: int,
    *,
    headers: bool,
) -> float:
    """Move `lines` records through one hop; return the seconds from the first fetch to the last
    commit."""
    tps = [TopicPartition(source, i) for i in range(partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        max_poll_interval_ms=3_600_000,
    )
    await consumer.start()
    consumer.assign(tps)
    producers = []
    for tp in tps:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=f"{group}:{tp.partition}",
            max_batch_size=900_000,
            max_request_size=16 * 1024 * 1024,
            retry_backoff_ms=10,
        )
        await producer.start()
        producers.append(producer)
    left = lines
    started = time.perf_counter()

    async def lane(tp: TopicPartition, producer: AIOKafkaProducer) -> None:
        nonlocal left
        while left > 0:
            records = (await consumer.getmany(tp, timeout_ms=200)).get(tp)
            if not records:
                continue
            async with producer.transaction():
                sent = []
                batch = producer.create_batch()
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
                constant = [
                    ("ce_specversion", b"1.0"),
                    ("ce_source", b"farandole://2b1f54a2-0df2-4a8e-9f0c-6f6d4c9b6f5e/bench/price"),
                    ("ce_type", b"line.priced"),
                    ("ce_time", now),
                    ("content-type", b"application/json"),
                    ("ce_topologyversion", b"bench@1"),
                ]
                for record in records:
                    line = orjson.loads(record.value)
                    line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
                    value = orjson.dumps(line)
                    if headers:
                        own = [
                            *constant,
                            ("ce_runid", b"%d%011d" % (record.partition, record.offset)),
                            (
                                "ce_id",
                                b"line.read/%d/%d/0" % (record.partition, record.offset),
                            ),
                        ]
                    else:
                        own = []
                    if (
                        batch.append(key=record.key, value=value, timestamp=None, headers=own)
                        is None
                    ):
                        sent.append(
                            await producer.send_batch(batch, target, partition=tp.partition)
                        )
                        batch = producer.create_batch()
                        batch.append(key=record.key, value=value, timestamp=None, headers=own)
                sent.append(await producer.send_batch(batch, target, partition=tp.partition))
                await asyncio.gather(*sent)
                await producer.send_offsets_to_transaction(
                    {tp: OffsetAndMetadata(records[-1].offset + 1, "")}, group
                )
            left -= len(records)

    await asyncio.gather(*(lane(tp, p) for tp, p in zip(tps, producers, strict=True)))
    took = time.perf_counter() - started
    await asyncio.gather(*(p.stop() for p in producers), consumer.stop())
    return took


async def relay(
    bootstrap: str, source: str, target: str, group: str, ready: asyncio.Semaphore
) -> None:
    """Run one hop for single events until it is cancelled. For the lowest latency it sends outputs
    and offset together."""
    tp = TopicPartition(source, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"{group}:0", retry_backoff_ms=10
    )
    await consumer.start()
    consumer.assign([tp])
    await producer.start()
    ready.release()
    try:
        while True:
            records = (await consumer.getmany(tp, timeout_ms=200)).get(tp)
            if not records:
                continue
            async with producer.transaction():
                batch = producer.create_batch()
                for record in records:
                    line = orjson.loads(record.value)
                    line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
                    batch.append(key=record.key, value=orjson.dumps(line), timestamp=None)

                async def produce(batch=batch) -> None:  # type: ignore[no-untyped-def]
                    await (await producer.send_batch(batch, target, partition=0))

                await asyncio.gather(
                    produce(),
                    producer.send_offsets_to_transaction(
                        {tp: OffsetAndMetadata(records[-1].offset + 1, "")}, group
                    ),
                )
    finally:
        await asyncio.gather(consumer.stop(), producer.stop())
