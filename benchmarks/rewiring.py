"""How soon does an edit reach every worker, and does it change the throughput?

A steady load runs through three stages, a process each. Twenty times, a fourth stage is inserted
between two of them or removed again. An edit has reached a worker when the worker logs that it is
wired. The events at the end are counted by the timestamps of the records.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks import pipelines
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.published_versions import follow_versions
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from farandole.services.pipeline_supervision import keep_services_current
from farandole.services.stderr_redirect import redirect_stderr
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services

EDITS = 20
EVERY = 2.0  # seconds between two edits
RATE = 2000  # roots a second
BIN = 0.5  # seconds
ROOT = Path(__file__).parent.parent

_WITHOUT = {"take": ("asked", "taken"), "make": ("taken", "made"), "give": ("made", "given")}
_WITH = {**_WITHOUT, "check": ("taken", "checked"), "make": ("checked", "made")}


async def measure(settings: Settings) -> dict[str, Any]:
    """Return the seconds from the publication of a version until a worker is wired by it, over all
    workers and edits, and the events a second at the end, in bins of BIN seconds."""
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as place:
        log = Path(place) / "workers.log"
        async with _running_pipeline(settings, Path(place), log):
            published: dict[int, float] = {}
            async with _steady_load(settings) as sent:
                await asyncio.sleep(5 * BIN)
                began = time.time()
                for edit in range(EDITS):
                    await asyncio.sleep(EVERY)
                    version = await _publish_edit(
                        settings, Path(place), _WITHOUT if edit % 2 else _WITH
                    )
                    published[version] = time.time()
                await asyncio.sleep(EVERY)
                ended = time.time()
            await _await_results(settings, sent[0])
        wired = _wiring_times(log)
    waits = [max(0.0, at - published[version]) for version, at in wired if version in published]
    rates = await _rates(settings, began, ended)
    whole = [rate for _, rate in rates]
    return {
        "what": f"{EDITS} edits, one every {EVERY:g} s, at {RATE} roots a second",
        "workers' wirings": len(waits),
        "seconds to a worker, p50": statistics.median(waits),
        "seconds to a worker, p99": statistics.quantiles(waits, n=100)[98],
        "events a second, median": statistics.median(whole),
        f"events a second, lowest {BIN:g} s": min(whole),
        "throughput": rates,
        "edits": [at - began for at in published.values()],
    }


async def _publish_edit(
    settings: Settings, folder: Path, stages: dict[str, tuple[str, str]]
) -> int:
    file = folder / "topology.yaml"
    wired = "\n".join(
        f"  {name}: {{subscribes: {takes}, emits: {gives}, run: 'benchmarks.pipelines:price'}}"
        for name, (takes, gives) in stages.items()
    )
    file.write_text(
        f"pipeline: bench\ndefaults: {{partitions: {pipelines.PARTITIONS}}}\n"
        f"events:\n  asked:\nstages:\n{wired}\n"
    )
    checked = check_topology_file(file, settings.names)
    assert checked.topology is not None, checked.findings
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    return (await publish_version(settings, derived, "bench")).version.version


@asynccontextmanager
async def _running_pipeline(settings: Settings, folder: Path, log: Path) -> AsyncIterator[None]:
    await _publish_edit(settings, folder, _WITHOUT)
    async with follow_versions(settings, "bench") as published:

        def wanted_services(versions: Any) -> Any:
            return worker_services(settings, ROOT, versions, log_level="info")

        supervisor = Supervisor(wanted_services(published.versions))
        stopping = asyncio.Event()
        with redirect_stderr(log):
            running = asyncio.create_task(supervisor.run(stopping))
            keeping = asyncio.create_task(
                keep_services_current(supervisor, published, wanted_services)
            )
            while not supervisor.ready():
                await asyncio.sleep(0.05)
            try:
                yield
            finally:
                keeping.cancel()
                stopping.set()
                await running


@asynccontextmanager
async def _steady_load(settings: Settings) -> AsyncIterator[list[int]]:
    sent = [0]
    enough = asyncio.Event()
    topic = settings.names.event_topic("bench", "asked")

    async def feed() -> None:
        async with open_client(make_producer(settings), settings) as client:
            began = time.monotonic()
            while not enough.is_set():
                due = int((time.monotonic() - began) * RATE) - sent[0]
                for partition in range(pipelines.PARTITIONS):
                    batch = client.create_batch()
                    for _ in range(due // pipelines.PARTITIONS):
                        batch.append(key=None, value=pipelines.line(sent[0]), timestamp=None)
                        sent[0] += 1
                    if batch.record_count():
                        await client.send_batch(batch, topic, partition=partition)
                await asyncio.sleep(0.02)

    task = asyncio.create_task(feed())
    try:
        yield sent
    finally:
        enough.set()
        await task


async def _await_results(settings: Settings, count: int) -> None:
    topic = settings.names.event_topic("bench", "given")
    seen = 0
    async with asyncio.timeout(120):
        async for records in scan(settings, [topic], follow=True):
            seen += len(records)
            if seen >= count:
                return


async def _rates(settings: Settings, began: float, ended: float) -> list[tuple[float, float]]:
    """Return, for each bin, the seconds since `began` and the events a second."""
    bins: Counter[int] = Counter()
    async for records in scan(settings, [settings.names.event_topic("bench", "given")]):
        bins.update(int((r.timestamp / 1000 - began) // BIN) for r in records)
    return [(n * BIN, bins[n] / BIN) for n in range(int((ended - began) / BIN))]


def _wiring_times(log: Path) -> list[tuple[int, float]]:
    """Return each version by which a worker was wired, and when, from the log of the workers."""
    found = []
    for line in log.read_bytes().splitlines():
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if entry.get("event") == "worker.wired":
            when = datetime.fromisoformat(entry["timestamp"]).timestamp()
            found.append((int(entry["version"].rpartition("@")[2]), when))
    return found
