"""How is one run of one contestant measured, from outside of its process?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import tempfile
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from aiokafka import TopicPartition

from benchmarks import pipelines
from benchmarks.peers.contestants import Contestant, Hop
from benchmarks.peers.installed import Home
from benchmarks.peers.lines import audit_topic
from benchmarks.peers.verdict import Run, Sample, evaluate_run
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_admin_client, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.services.worker_services import settings_environment

_SAMPLE_INTERVAL = 0.1  # seconds
_GRACE = 20.0  # seconds for a contestant to end after SIGTERM
_STAGE = "hop0"


@dataclass(frozen=True, slots=True)
class Source:
    """What all contestants read."""

    topic: str
    lines: int

    @property
    def partitions(self) -> list[TopicPartition]:
        return [TopicPartition(self.topic, p) for p in range(pipelines.PARTITIONS)]


async def run(
    settings: Settings, contestant: Contestant, home: Home, source: Source, limit: float
) -> Run:
    """Let a contestant move all of `source` into a new topic, for at most `limit` seconds; then
    check the records in this topic. Return the figures of the run."""
    settings = settings.model_copy(update={"namespace": f"p{secrets.token_hex(4)}"})
    target = settings.names.event_topic("bench", "line.1")
    group = settings.names.stage_group("bench", _STAGE)
    with tempfile.TemporaryDirectory(prefix="farandole-peer-") as place:
        hop = Hop(settings.bootstrap or "", source.topic, target, group, Path(place))
        (hop.folder / "topology.yaml").write_text("pipeline: bench\n")
        async with ClusterAdmin.open(settings) as admin:
            await admin.create_topics({target: TopicSpec(pipelines.PARTITIONS)})
            if contestant.ours:
                await _publish(settings, source)
            async with _running_contestant(contestant, home, hop, settings) as child:
                samples = await _sample_until_done(admin, hop, source, child, limit)
                ended = _failure_text(hop, child)
            committed = await _committed_lines(admin, hop, source)
        audit = await audit_topic(settings, target, source.lines)
    async with open_client(make_admin_client(settings), settings) as client:
        await client.delete_topics([target])
    return evaluate_run(samples, committed, source.lines, audit, limit, ended)


async def _publish(settings: Settings, source: Source) -> None:
    version = pipelines.chain(settings, 1)
    read = version.events["line.0"].model_copy(update={"topic": source.topic})
    events = {**version.events, "line.0": read}
    await pipelines.publish(settings, version.model_copy(update={"events": events}), {})


@asynccontextmanager
async def _running_contestant(
    contestant: Contestant, home: Home, hop: Hop, settings: Settings
) -> AsyncIterator[Process]:
    variables = settings_environment(settings) if contestant.ours else {}
    with _log_file(hop).open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *contestant.command(home, hop), env={**os.environ, **variables}, cwd=hop.folder,
            stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield child
        finally:
            await _stop(child)


async def _stop(child: Process) -> None:
    if child.returncode is None:
        child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await child.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # it leads its own session
    await child.wait()


async def _sample_until_done(
    admin: ClusterAdmin, hop: Hop, source: Source, child: Process, limit: float
) -> list[Sample]:
    """Return samples, taken until all lines are committed, the time is over, or the contestant has
    ended."""
    samples: list[Sample] = []
    costs: dict[int, float] = {}
    written = False
    began = time.monotonic()
    while True:
        committed = await _committed_lines(admin, hop, source)
        written = written or await _has_output(admin, hop)
        seconds = time.monotonic() - began
        samples.append(Sample(seconds, committed, *_resources_used(child.pid, costs), written))
        if committed >= source.lines or seconds > limit or child.returncode is not None:
            return samples
        await asyncio.sleep(_SAMPLE_INTERVAL)


def _resources_used(pid: int, costs: dict[int, float]) -> tuple[float, int]:
    """Return CPU seconds and resident bytes of a process and its descendants. `costs` keeps the CPU
    seconds of each process, also of those that have ended."""
    memory = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                spent = process.cpu_times()
                costs[process.pid] = spent.user + spent.system
                memory += process.memory_info().rss
    return sum(costs.values()), memory


async def _committed_lines(admin: ClusterAdmin, hop: Hop, source: Source) -> int:
    """Return how many lines the group has committed. The source contains no transaction markers, so
    an offset is a count of lines."""
    found = await admin.committed_offsets(hop.group, source.partitions)
    return sum(offset.offset for offset in found.values() if offset is not None)


async def _has_output(admin: ClusterAdmin, hop: Hop) -> bool:
    target = [TopicPartition(hop.target, p) for p in range(pipelines.PARTITIONS)]
    return any((await admin.end_offsets(target)).values())


def _log_file(hop: Hop) -> Path:
    return hop.folder / "log"


def _failure_text(hop: Hop, child: Process) -> str:
    """Return the exit code and the last line of the log if the contestant has ended by itself, else
    an empty text."""
    code = child.returncode
    if code is None:
        return ""
    lines = _log_file(hop).read_text(errors="replace").strip().splitlines()
    return f"exit {code}: {lines[-1].strip()[:200] if lines else 'without a word'}"
