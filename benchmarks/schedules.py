"""What do ten thousand schedules cost, and how late do they fire when a thousand fire at once?

The scheduler runs in a process of its own. It is ready when its lane waits for the first time for
something that is not due yet.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.events.record import Partition, Record
from farandole.events.schedule_origin import schedule_origin
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import (
    INSTALLATION_KEY,
    EventSpec,
    Installation,
    StageSpec,
    Version,
)
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.lane_port import LanePort
from farandole.router.system_topics import system_topic_specs
from farandole.scheduler.service import run_scheduler
from farandole.stages.memory_limit import limit_memory
from farandole.worker.worker_process import tune_garbage_collector

PIPELINES = 20
ONE_IN = 10  # of the schedules fires in the minute that is measured
_AHEAD = timedelta(seconds=150)  # before that minute: two starts, and a while in which little fires
_WATCHED = 20.0  # seconds of that while
_MEMORY = 2048  # MiB, the limit of a process
_READY = b"ready\n"  # what the scheduler says among the lines of its log
_LIMIT = 120.0  # seconds for a start, or for all that is to fire


async def measure(settings: Settings, schedules: int) -> dict[str, Any]:
    """Return seconds, bytes, and milliseconds between planned times and when a reader has the
    events."""
    minute = (datetime.now(UTC) + _AHEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
    versions = [
        _version(settings, number, schedules // PIPELINES, minute) for number in range(PIPELINES)
    ]
    await _publish(settings, versions)
    async with _scheduler(settings) as first:
        first_start, first_memory = await _ready(first)
    async with _scheduler(settings) as second:
        restart, memory = await _ready(second)
        if datetime.now(UTC) + timedelta(seconds=_WATCHED + 2) > minute:
            raise RuntimeError(f"two starts take longer than {_AHEAD}")
        watched = psutil.Process(second.pid)
        before = sum(watched.cpu_times()[:2])
        await asyncio.sleep(_WATCHED)
        idle = (sum(watched.cpu_times()[:2]) - before) / _WATCHED
        late = await _lateness(settings, versions, minute, schedules // ONE_IN)
    return {
        "what": f"{schedules:,} schedules of {PIPELINES} pipelines, of which"
        f" {schedules // ONE_IN:,} fire in one minute; one process",
        "seconds to the first start": first_start,
        "seconds to a restart": restart,
        "MB at rest, first start": first_memory / 2**20,
        "MB at rest": memory / 2**20,
        "cores while little fires": idle,
        "fired": len(late),
        "p50 ms late": statistics.median(late),
        "p99 ms late": statistics.quantiles(late, n=100)[98],
        "most ms late": max(late),
    }


def _version(settings: Settings, number: int, schedules: int, minute: datetime) -> Version:
    pipeline = f"bench{number}"
    event = EventSpec(
        topic=settings.names.event_topic(pipeline, "asked"), partitions=1, boundaries=(0,)
    )
    return Version(
        pipeline=pipeline,
        version=1,
        installation=uuid.UUID(int=1),
        published=datetime.now(UTC),
        published_by="bench",
        events={"asked": event},
        stages={"read": StageSpec(run="benchmarks.pipelines:price", subscribes=("asked",))},
        schedules={f"s{n}": _schedule(number * schedules + n, minute) for n in range(schedules)},
    )


def _schedule(number: int, minute: datetime) -> ScheduleSpec:
    """Return a schedule that fires once a day: in the minute that is measured, or in another."""
    at = minute
    if number % ONE_IN:
        at += timedelta(minutes=30 + number % 1380)
    return ScheduleSpec(
        triggers="asked",
        cron=f"{at.minute} {at.hour} * * *",
        data={"day": "${planned:%Y-%m-%d}", "since": "${previous}", "number": number},
    )


async def _publish(settings: Settings, versions: Sequence[Version]) -> None:
    """Create the topics and write the versions, without the checks of a router."""
    names = settings.names
    topics = {version.events["asked"].topic: TopicSpec(1) for version in versions}
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics(system_topic_specs(names) | topics)
    installation = Installation(id=versions[0].installation, created=versions[0].published)
    rows = [(INSTALLATION_KEY, installation), *((v.name.encode(), v) for v in versions)]
    client = make_producer(settings, max_request_size=8 * 2**20)
    async with open_client(client, settings):
        for key, row in rows:
            value = row.model_dump_json().encode()
            await client.send_and_wait(names.topology_topic, value, key)


@asynccontextmanager
async def _scheduler(settings: Settings) -> AsyncIterator[Process]:
    """A scheduler that is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.schedules", settings.bootstrap or "", settings.namespace,
        stdout=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ready(process: Process) -> tuple[float, int]:
    """Return after how many seconds the scheduler was ready, and how many bytes it then took."""
    began = time.monotonic()
    assert process.stdout is not None
    async with asyncio.timeout(_LIMIT):
        while (line := await process.stdout.readline()) != _READY:
            if not line:
                raise RuntimeError("the scheduler has ended")
    return time.monotonic() - began, psutil.Process(process.pid).memory_info().rss


async def _lateness(
    settings: Settings, versions: Sequence[Version], minute: datetime, wanted: int
) -> list[float]:
    """Return, of each event that was planned for this minute, how many milliseconds later a reader
    had it."""
    consumer = make_consumer(settings)
    partitions = [TopicPartition(version.events["asked"].topic, 0) for version in versions]
    late: list[float] = []
    async with open_client(consumer, settings):
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        await asyncio.sleep(max(0.0, minute.timestamp() - time.time() - 1))
        async with asyncio.timeout(_LIMIT):
            while len(late) < wanted:
                late += await _poll(consumer, minute)
    return late


async def _poll(consumer: AIOKafkaConsumer, minute: datetime) -> list[float]:
    found = await consumer.getmany(timeout_ms=1000)
    milliseconds = (time.time() - minute.timestamp()) * 1000
    origins = (schedule_origin(r.headers) for records in found.values() for r in records)
    return [milliseconds for origin in origins if origin is not None and origin.planned == minute]


class _Watched:
    """The lane's port; it says once that the lane waits for something that is not due yet."""

    def __init__(self, port: KafkaPort) -> None:
        self._port = port
        self._said = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    async def fetch(
        self,
        *,
        wait: bool = True,
        at_most: float | None = None,
        only: Collection[Partition] | None = None,
    ) -> Sequence[Record]:
        if wait and not self._said and at_most != 0:
            self._said = True
            sys.stdout.buffer.write(_READY)
            sys.stdout.flush()
        return await self._port.fetch(wait=wait, at_most=at_most, only=only)


async def _schedule_all(bootstrap: str, namespace: str) -> None:
    limit_memory(_MEMORY)
    tune_garbage_collector()
    settings = Settings(bootstrap=bootstrap, namespace=namespace, replication_factor=1)
    with tempfile.TemporaryDirectory() as folder:
        await run_scheduler(
            settings,
            Path(folder),
            asyncio.Event(),
            port=lambda port: cast(LanePort, _Watched(port)),
        )


if __name__ == "__main__":
    asyncio.run(_schedule_all(*sys.argv[1:]))
