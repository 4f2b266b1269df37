"""How much time and CPU does a contestant need, alone in a process?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from benchmarks import pipelines
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.outcome import Outcome
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.worker_process import run_worker, tune_garbage_collector

Contest = Callable[[Settings, str, int], Awaitable[float]]
"""Lets the contestant of that name work that many lines, and returns the seconds that it took."""


def run_contestant(
    module: str, settings: Settings, contestant: str, lines: int
) -> tuple[float, float]:
    """Run one contestant in a child process; return its seconds and CPU seconds. `module` must call
    `main(contest)` when it is run."""
    done = subprocess.run(
        [sys.executable, "-m", module, settings.bootstrap or "", settings.namespace,
         contestant, str(lines)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{contestant}: {done.stderr[-2000:]}")
    figures = orjson.loads(done.stdout.splitlines()[-1])
    return float(figures["seconds"]), float(figures["cpu"])


def main(contest: Contest) -> None:
    """Run the contest that the command line names, and print its figures: the child process."""
    bootstrap, namespace, contestant, lines = sys.argv[1:]
    settings = Settings.load(Path(), bootstrap=bootstrap, namespace=namespace)

    async def run_contest() -> float:
        return await contest(settings, contestant, int(lines))

    began = time.process_time()  # without the imports
    seconds = asyncio.run(run_contest())
    print(orjson.dumps({"seconds": seconds, "cpu": time.process_time() - began}).decode())


async def time_worker(settings: Settings, stage: str, source: str, lines: int) -> float:
    """Return the seconds from the start of a Farandole worker until it has handled all lines of the
    topic `source`."""
    await reset_offsets(settings, stage, source)
    tune_garbage_collector()
    beat, stopping = Heartbeat(None), asyncio.Event()
    counters = beat.counters(stage)
    started = time.perf_counter()
    working = asyncio.create_task(run_worker(settings, "bench", [stage], beat, stopping))
    while counters.consumed < lines and not working.done():
        await asyncio.sleep(0.01)
    took = time.perf_counter() - started
    stopping.set()
    await working
    if counters.outcomes[Outcome.DEAD] or counters.emitted != lines:
        raise RuntimeError(f"{counters}")
    return took


async def reset_offsets(settings: Settings, stage: str, source: str) -> None:
    """Set the committed offsets of a stage to 0, without joining its group."""
    client = make_producer(settings, transactional_id=settings.names.router_transactional_id)
    tps = [TopicPartition(source, index) for index in range(pipelines.PARTITIONS)]
    async with open_client(client, settings), client.transaction():
        await client.send_offsets_to_transaction(
            dict.fromkeys(tps, OffsetAndMetadata(0, "")), settings.names.stage_group("bench", stage)
        )
