"""What has a worker done, and what does it use, look by look, until all is settled?

It runs in a process of its own, in which nothing else runs but the looks.
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

from benchmarks.alone import rewind
from farandole.broker.settings import Settings
from farandole.events.outcome import Outcome
from farandole.worker.counters import Counters
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.parked_events import ParkedEvents
from farandole.worker.worker_process import limit_memory, run_worker, tune_garbage_collector

_LOOK = 0.02  # seconds between two looks
_MEMORY = 2048  # MiB, as a worker takes for itself


class Job(NamedTuple):
    """A stage that is worked from the start of its topic until `lines` are emitted or dead."""

    stage: str
    source: str
    lines: int
    limit: float
    """Seconds, after which it is cut."""
    down: str = ""
    """A file that is removed after `seconds` of work: what the stage depends on is there again."""
    seconds: float = 0.0


class Look(NamedTuple):
    """A worker at one moment; counts are of what is committed."""

    seconds: float
    """Since it was started."""
    cpu: float
    memory: int
    """Resident bytes."""
    parked: int
    """Events that were made to wait, each counted once."""
    emitted: int
    dead: int
    waiting: int
    """In the lane in which most events wait."""
    down: bool
    lanes: int
    """That have come here."""


def watch(settings: Settings, job: Job) -> list[Look]:
    """All looks at one job."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.watched", settings.bootstrap or "", settings.namespace,
         orjson.dumps(tuple(job)).decode()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{job.stage}: {done.stderr[-2000:]}")
    return [Look(*look) for look in orjson.loads(done.stdout.splitlines()[-1])]


async def _worked(settings: Settings, job: Job) -> list[Look]:
    await rewind(settings, job.stage, job.source)
    limit_memory(_MEMORY)
    tune_garbage_collector()
    beat, stopping = Heartbeat(None), asyncio.Event()
    counters = beat.counters(job.stage)
    watcher = _Watcher(counters)
    looks: list[Look] = []
    working = asyncio.create_task(run_worker(settings, "bench", [job.stage], beat, stopping))
    down = Path(job.down) if job.down else None
    began = 0.0  # when there was work to do
    while counters.emitted + counters.outcomes[Outcome.DEAD] < job.lines and not working.done():
        if not began and counters.consumed:
            began = time.perf_counter()
        if down and began and time.perf_counter() > began + job.seconds:
            down.unlink()
            down = None
        looks.append(watcher.look(down is not None))
        if looks[-1].seconds > job.limit:
            break
        await asyncio.sleep(_LOOK)
    looks.append(watcher.look(down is not None))
    stopping.set()
    await working
    return looks


class _Watcher:
    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._process = psutil.Process()
        self._lanes: list[ParkedEvents] = []
        self._started = time.perf_counter()

    def look(self, down: bool) -> Look:
        counters = self._counters
        if not counters.consumed:
            # Found, not asked for: nobody else needs to know how many wait in a worker.
            self._lanes = [each for each in gc.get_objects() if isinstance(each, ParkedEvents)]
        return Look(
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
    looks = asyncio.run(_worked(settings, Job(*orjson.loads(job))))
    print(orjson.dumps([tuple(look) for look in looks]).decode())


if __name__ == "__main__":
    main()
