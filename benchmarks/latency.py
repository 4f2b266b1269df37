"""How long does one trigger take through five exactly-once hops, by hand and as five stages?

Both chains run in one process, with one trigger at a time. Blocks of triggers alternate between
them.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks import hand, pipelines
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.worker_process import run_worker

HOPS = 5
BLOCK = 50


async def measure(settings: Settings, triggers: int) -> dict[str, Any]:
    """Return the milliseconds from sending a trigger to reading the result."""
    version = pipelines.chain(settings, HOPS)
    by_hand = [settings.names.event_topic("bench", f"hand.{n}") for n in range(HOPS + 1)]
    await pipelines.publish(settings, version, dict.fromkeys(by_hand, 1))
    staged = [version.events[f"line.{n}"].topic for n in range(HOPS + 1)]
    took: dict[str, list[float]] = {"by hand": [], "as stages": []}
    async with _by_hand(settings, by_hand), _as_stages(settings, HOPS):
        client = make_producer(settings)
        reader = make_consumer(settings, auto_offset_reset="earliest")
        async with open_client(client, settings), open_client(reader, settings):
            reader.assign([TopicPartition(by_hand[-1], 0), TopicPartition(staged[-1], 0)])
            for topics in (by_hand, staged):
                await _block(client, reader, topics, 20)  # warm up
            for _ in range(max(1, triggers // BLOCK)):
                for name, topics in (("by hand", by_hand), ("as stages", staged)):
                    took[name] += await _block(client, reader, topics, BLOCK)
    quantiles = {
        name: {
            "p50": statistics.median(ms),
            "p99": statistics.quantiles(ms, n=100)[98],
            "triggers": len(ms),
        }
        for name, ms in took.items()
    }
    return {
        "what": f"one trigger through {HOPS} exactly-once hops in one process, milliseconds",
        "milliseconds": quantiles,
        "stages / by hand, p50": quantiles["as stages"]["p50"] / quantiles["by hand"]["p50"],
        "stages / by hand, p99": quantiles["as stages"]["p99"] / quantiles["by hand"]["p99"],
    }


async def _block(
    client: AIOKafkaProducer, reader: AIOKafkaConsumer, topics: list[str], triggers: int
) -> list[float]:
    took = []
    result = TopicPartition(topics[-1], 0)
    for number in range(triggers):
        started = time.perf_counter()
        await client.send(topics[0], pipelines.line(number), partition=0)
        async with asyncio.timeout(20):
            while not await reader.getmany(result, timeout_ms=1000):
                pass
        took.append((time.perf_counter() - started) * 1000)
    return took


@asynccontextmanager
async def _by_hand(settings: Settings, topics: list[str]) -> AsyncIterator[None]:
    ready = asyncio.Semaphore(0)
    hops = [
        asyncio.create_task(
            hand.relay(settings.bootstrap or "", source, target, f"{source}-hop", ready)
        )
        for source, target in pairwise(topics)
    ]
    for _ in hops:
        await ready.acquire()
    try:
        yield
    finally:
        for hop in hops:
            hop.cancel()
        await asyncio.gather(*hops, return_exceptions=True)


@asynccontextmanager
async def _as_stages(settings: Settings, hops: int) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    stages = [f"hop{n}" for n in range(hops)]
    working = asyncio.create_task(run_worker(settings, "bench", stages, Heartbeat(None), stopping))
    try:
        yield
    finally:
        stopping.set()
        await working
