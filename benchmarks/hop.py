"""How many lines a second pass one exactly-once hop: by hand, and as a stage?

Each contestant runs in a process of its own, in turn, over the same topic; what counts is the
ratio.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import orjson
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from benchmarks import hand, pipelines
from broker.clients import opened, producer
from broker.settings import Settings
from worker.beat import Beat
from worker.process import spare_the_collector, work

CONTESTANTS = ("by hand", "by hand, with headers", "as a stage")


async def measure(settings: Settings, lines: int, rounds: int) -> dict[str, Any]:
    """Lines a second of each contestant, per round, and the ratios of their medians."""
    names = settings.names
    version = pipelines.chain(settings, 1)
    await pipelines.publish(settings, version, {})
    await pipelines.fill(settings, version.events["line.0"].topic, lines)
    rates: dict[str, list[float]] = {c: [] for c in CONTESTANTS}
    for turn in range(rounds):
        # Every round starts with another contestant: a drift of the machine favours none.
        for contestant in CONTESTANTS[turn % 3 :] + CONTESTANTS[: turn % 3]:
            seconds = _alone(settings, contestant, lines)
            rates[contestant].append(lines / seconds)
            print(f"  round {turn + 1}: {contestant:24} {lines / seconds:10,.0f} lines/s")
    medians = {c: statistics.median(r) for c, r in rates.items()}
    return {
        "what": "one exactly-once hop, JSON lines of 130 bytes, 4 partitions, one process",
        "namespace": names.namespace,
        "lines": lines,
        "rates": rates,
        "medians": medians,
        "stage / by hand with headers": medians[CONTESTANTS[2]] / medians[CONTESTANTS[1]],
        "stage / by hand": medians[CONTESTANTS[2]] / medians[CONTESTANTS[0]],
    }


def _alone(settings: Settings, contestant: str, lines: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hop", settings.bootstrap or "", settings.namespace,
         contestant, str(lines)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{contestant}: {done.stderr[-2000:]}")
    return float(orjson.loads(done.stdout.splitlines()[-1])["seconds"])


async def _contest(settings: Settings, contestant: str, lines: int) -> float:
    source = settings.names.topic("bench", "line.0")
    if contestant != "as a stage":
        return await hand.hop(
            settings.bootstrap or "",
            source,
            settings.names.topic("bench", "line.1"),
            pipelines.PARTITIONS,
            f"hand-{uuid.uuid4().hex[:8]}",
            lines,
            headers=contestant.endswith("headers"),
        )
    await _rewind(settings, source)
    spare_the_collector()
    beat = Beat(None)
    stopping = asyncio.Event()
    tally = beat.tally("hop0")
    started = time.perf_counter()
    working = asyncio.create_task(work(settings, "bench", ["hop0"], beat, stopping))
    while tally.consumed < lines and not working.done():
        await asyncio.sleep(0.01)
    took = time.perf_counter() - started
    stopping.set()
    await working
    if tally.dead or tally.emitted != lines:
        raise RuntimeError(f"{tally}")
    return took


async def _rewind(settings: Settings, source: str) -> None:
    """Back to the start, as nobody's member."""
    client = producer(settings, transactional_id=settings.names.router)
    async with opened(client, settings), client.transaction():
        await client.send_offsets_to_transaction(
            {TopicPartition(source, p): OffsetAndMetadata(0, "") for p in range(4)},
            settings.names.group("bench", "hop0"),
        )


def main() -> None:
    bootstrap, namespace, contestant, lines = sys.argv[1:]
    settings = Settings.load(Path(), bootstrap=bootstrap, namespace=namespace)
    seconds = asyncio.run(_contest(settings, contestant, int(lines)))
    print(orjson.dumps({"seconds": seconds}).decode())


if __name__ == "__main__":
    main()
