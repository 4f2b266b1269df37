"""What does one worker process do from its start to its end?"""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import structlog
from pydantic import ValidationError

from broker.settings import Settings
from broker.tables import read_table
from events.topology import Version, row
from lanes.group import Group
from stages.signature import read as read_signature
from worker.beat import Beat
from worker.binding import bind
from worker.calling import Caller
from worker.handling import Handling
from worker.wiring import Wiring

log = structlog.get_logger()

DRAIN = 10.0  # seconds that a lane has to end between transactions when the process is to go


class NothingApplied(Exception):  # noqa: N818 -- what is the case
    """No version of the pipeline was ever published to this Kafka."""


async def published(settings: Settings, pipeline: str) -> Mapping[int, Version]:
    """All versions of a pipeline; what no router wrote is passed over. Raises NothingApplied, and
    the errors of `read_table`."""
    versions = {}
    for key, value in (await read_table(settings, settings.names.topology)).items():
        try:
            said = row(key, value)
        except ValidationError:  # one foreign record must not end every worker
            log.warning("topology.foreign", key=key.decode(errors="backslashreplace"))
            continue
        if isinstance(said, Version) and said.pipeline == pipeline:
            versions[said.version] = said
    if not versions:
        raise NothingApplied(
            f"no version of {pipeline} was ever applied to {settings.bootstrap}; "
            "run: farandole apply"
        )
    return versions


async def work(
    settings: Settings,
    pipeline: str,
    functions: Mapping[str, Callable[..., Any]],
    beat: Beat,
    stopping: asyncio.Event,
    versions: Mapping[int, Version] | None = None,
) -> None:
    """Host the lanes of these stages until `stopping` is set; `versions` are what `published` has
    just said, if it was asked. Raises NothingApplied, and lanes.group.Broken when Kafka is out of
    reach for good."""
    versions = versions or await published(settings, pipeline)
    newest = versions[max(versions)]

    async def refresh() -> Mapping[int, Version]:
        return await published(settings, pipeline)

    alone = asyncio.Lock()
    groups: dict[str, Group] = {}
    pools: list[ThreadPoolExecutor] = []
    for stage, function in functions.items():
        bound = newest.stages[stage]
        pool = (
            ThreadPoolExecutor(bound.threads, thread_name_prefix=stage) if bound.threads else None
        )
        if pool is not None:
            pools.append(pool)
        groups[stage] = _group(settings, stage, function, versions, refresh, pool, beat, alone)
    orphaned = asyncio.Event()
    beating = asyncio.create_task(beat.run({s: _count(g) for s, g in groups.items()}, orphaned))
    stop = asyncio.create_task(_either(stopping, orphaned))
    ending = asyncio.Event()
    running = [asyncio.create_task(g.run(ending)) for g in groups.values()]
    try:
        await asyncio.wait({stop, *running}, return_when=asyncio.FIRST_COMPLETED)
        ending.set()
        await asyncio.gather(*running)
    finally:
        ending.set()
        await asyncio.gather(*running, return_exceptions=True)
        for task in (stop, beating):
            task.cancel()
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)


def _group(
    settings: Settings,
    stage: str,
    function: Callable[..., Any],
    versions: Mapping[int, Version],
    refresh: Callable[[], Any],
    pool: ThreadPoolExecutor | None,
    beat: Beat,
    alone: asyncio.Lock,
) -> Group:
    newest = versions[max(versions)]
    names, pipeline = settings.names, newest.pipeline
    began, ended = beat.watcher(stage)
    signature = read_signature(function)
    caller = Caller(
        pipeline,
        stage,
        newest.stages[stage],
        function,
        signature,
        pool,
        began,
        ended,
    )

    @cache  # a rebalance that gives an index back finds its work as it was
    def handling(_: int) -> Handling:
        return Handling(
            caller,
            Wiring(versions, refresh, partial(bind, stage=stage, signature=signature)),
            names.dead(pipeline, stage),
            settled=beat.tally(stage).add,
        )

    return Group(
        settings,
        names.group(pipeline, stage),
        [newest.events[e].topic for e in newest.stages[stage].subscribes],
        lambda lane: names.transactional_id(pipeline, stage, lane),
        handling,
        alone=alone,
        remedy=f"decide where it goes on: farandole seek {stage} --to earliest|latest|OFFSET",
        patience=DRAIN,
    )


def _count(group: Group) -> Callable[[], int]:
    return lambda: len(group.lanes)


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(e.wait()) for e in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def spare_the_collector() -> None:
    """An event is some objects without a cycle among them: the garbage collector's default, a look
    every 700, costs a fifth of the throughput and finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def limit_memory(mebibytes: int) -> None:
    """So that a function that allocates without end gets a MemoryError, and not the machine."""
    limit = mebibytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
