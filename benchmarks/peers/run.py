"""What does one contestant do in one run, watched from outside?"""

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
from benchmarks.peers.lines import audited
from benchmarks.peers.verdict import Run, Sample, judged
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_admin_client, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_creation import TopicSpec
from farandole.services.worker_services import settings_environment

_LOOK = 0.1  # seconds between two looks at a contestant
_GRACE = 20.0  # seconds that it has to end in good order
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
    """Let it move all of `source` into a new topic, at most for `limit` seconds, and count what
    stands there afterwards."""
    settings = settings.model_copy(update={"namespace": f"p{secrets.token_hex(4)}"})
    target = settings.names.event_topic("bench", "line.1")
    group = settings.names.stage_group("bench", _STAGE)
    with tempfile.TemporaryDirectory(prefix="farandole-peer-") as place:
        hop = Hop(settings.bootstrap or "", source.topic, target, group, Path(place))
        (hop.folder / "topology.yaml").write_text("pipeline: bench\n")
        async with ClusterAdmin.open(settings) as there:
            await there.create_topics({target: TopicSpec(pipelines.PARTITIONS)})
            if contestant.ours:
                await _publish(settings, source)
            async with _started(contestant, home, hop, settings) as child:
                samples = await _watched(there, hop, source, child, limit)
                ended = _last_word(hop, child)
            committed = await _committed(there, hop, source)
        audit = await audited(settings, target, source.lines)
    async with open_client(make_admin_client(settings), settings) as client:
        await client.delete_topics([target])
    return judged(samples, committed, source.lines, audit, limit, ended)


async def _publish(settings: Settings, source: Source) -> None:
    version = pipelines.chain(settings, 1)
    read = version.events["line.0"].model_copy(update={"topic": source.topic})
    events = {**version.events, "line.0": read}
    await pipelines.publish(settings, version.model_copy(update={"events": events}), {})


@asynccontextmanager
async def _started(
    contestant: Contestant, home: Home, hop: Hop, settings: Settings
) -> AsyncIterator[Process]:
    variables = settings_environment(settings) if contestant.ours else {}
    with _log(hop).open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *contestant.command(home, hop), env={**os.environ, **variables}, cwd=hop.folder,
            stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield child
        finally:
            await _end(child)


async def _end(child: Process) -> None:
    if child.returncode is None:
        child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await child.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # it leads a session of its own
    await child.wait()


async def _watched(
    there: ClusterAdmin, hop: Hop, source: Source, child: Process, limit: float
) -> list[Sample]:
    """Until all is committed, the time is over, or it has ended by itself."""
    samples: list[Sample] = []
    costs: dict[int, float] = {}
    written = False
    began = time.monotonic()
    while True:
        committed = await _committed(there, hop, source)
        written = written or await _written(there, hop)
        seconds = time.monotonic() - began
        samples.append(Sample(seconds, committed, *_used(child.pid, costs), written))
        if committed >= source.lines or seconds > limit or child.returncode is not None:
            return samples
        await asyncio.sleep(_LOOK)


def _used(pid: int, costs: dict[int, float]) -> tuple[float, int]:
    """Seconds of CPU and resident bytes of a process and its descendants. `costs` keeps what those
    have used that are gone."""
    memory = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                spent = process.cpu_times()
                costs[process.pid] = spent.user + spent.system
                memory += process.memory_info().rss
    return sum(costs.values()), memory


async def _committed(there: ClusterAdmin, hop: Hop, source: Source) -> int:
    """Lines. The source holds no transactions' markers, so there an offset is a count."""
    found = await there.committed_offsets(hop.group, source.partitions)
    return sum(offset.offset for offset in found.values() if offset is not None)


async def _written(there: ClusterAdmin, hop: Hop) -> bool:
    target = [TopicPartition(hop.target, p) for p in range(pipelines.PARTITIONS)]
    return any((await there.end_offsets(target)).values())


def _log(hop: Hop) -> Path:
    return hop.folder / "log"


def _last_word(hop: Hop, child: Process) -> str:
    """Of one that has ended by itself, else nothing."""
    code = child.returncode
    if code is None:
        return ""
    said = _log(hop).read_text(errors="replace").strip().splitlines()
    return f"exit {code}: {said[-1].strip()[:200] if said else 'without a word'}"
