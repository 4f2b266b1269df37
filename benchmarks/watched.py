"""What has a worker done, and how much CPU and memory does it use, until all lines are settled?

The worker runs in a process of its own, in which only the sampling runs besides.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import orjson
import psutil

from benchmarks.alone import reset_offsets
from farandole.broker.settings import Settings
from farandole.events.outcome import Outcome
from farandole.stages.memory_limit import limit_memory
from farandole.worker.counters import Counters
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.parked_events import ParkedEvents
from farandole.worker.worker_process import run_worker, tune_garbage_collector

_SAMPLE_INTERVAL = 0.02  # seconds
_MEMORY = 2048  # MiB, the limit of a worker process


class Job(NamedTuple):
    """A stage that is worked from the start of its topic until `lines` are emitted or dead."""

    stage: str
    source: str
    lines: int
    limit: float
    """Seconds after which the worker is stopped."""
    down: str = ""
    """A file that is removed after `seconds` of work: from then on the dependency of the stage
    works again. Empty if there is none."""
    seconds: float = 0.0


class WorkerSample(NamedTuple):
    """A worker at one moment; counts are of what is committed."""

    seconds: float
    """Since the worker was started."""
    cpu: float
    memory: int
    """Resident bytes."""
    parked: int
    """Events that were parked, each counted once."""
    emitted: int
    dead: int
    waiting: int
    """Events that wait in the lane in which most events wait."""
    down: bool
    lanes: int
    """Lanes that this worker has."""


def watch(settings: Settings, job: Job) -> list[WorkerSample]:
    """Run a job in a child process, and return the samples of it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.watched", settings.bootstrap or "", settings.namespace,
         orjson.dumps(tuple(job)).decode()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{job.stage}: {done.stderr[-2000:]}")
    return [WorkerSample(*sample) for sample in orjson.loads(done.stdout.splitlines()[-1])]


async def _sample_worker(settings: Settings, job: Job) -> list[WorkerSample]:
    await reset_offsets(settings, job.stage, job.source)
    limit_memory(_MEMORY)
    tune_garbage_collector()
    beat, stopping = Heartbeat(None), asyncio.Event()
    counters = beat.counters(job.stage)
    sampler = _WorkerSampler(counters)
    samples: list[WorkerSample] = []
    working = asyncio.create_task(run_worker(settings, "bench", [job.stage], beat, stopping))
    down = Path(job.down) if job.down else None
    began = 0.0  # when the first event was consumed
    while counters.emitted + counters.outcomes[Outcome.DEAD] < job.lines and not working.done():
        if not began and counters.consumed:
            began = time.perf_counter()
        if down and began and time.perf_counter() > began + job.seconds:
            down.unlink()
            down = None
        samples.append(sampler.sample(down is not None))
        if samples[-1].seconds > job.limit:
            break
        await asyncio.sleep(_SAMPLE_INTERVAL)
    samples.append(sampler.sample(down is not None))
    stopping.set()
    await working
    return samples


class _WorkerSampler:
    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._process = psutil.Process()
        self._lanes: list[ParkedEvents] = []
        self._started = time.perf_counter()

    def sample(self, down: bool) -> WorkerSample:
        counters = self._counters
        if not counters.consumed:
            # Found by the garbage collector, since no interface of a worker gives these counts.
            self._lanes = [each for each in gc.get_objects() if isinstance(each, ParkedEvents)]
        return WorkerSample(
            time.perf_counter() - self._started,
            time.process_time(),
            self._process.memory_info().rss,
            counters.outcomes[Outcome.PARKED],
            counters.emitted,
            counters.outcomes[Outcome.DEAD],
            max((lane.count for lane in self._lanes), default=0),
            down,
            len(self._lanes),
        )


def main() -> None:
    bootstrap, namespace, job = sys.argv[1:]
    settings = Settings.load(Path(), bootstrap=bootstrap, namespace=namespace)
    samples = asyncio.run(_sample_worker(settings, Job(*orjson.loads(job))))
    print(orjson.dumps([tuple(sample) for sample in samples]).decode())


if __name__ == "__main__":
    main()
