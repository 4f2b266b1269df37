"""What does one worker process do from its start to its end?"""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Collection

from farandole.broker.settings import Settings
from farandole.catalog.published_versions import follow_versions
from farandole.worker.control_state import follow_control_state
from farandole.worker.heartbeat import Heartbeat, silence_limit
from farandole.worker.slow_calls import SlowCallWatch
from farandole.worker.stage_host import StageHost


async def run_worker(
    settings: Settings,
    pipeline: str,
    stages: Collection[str],
    beat: Heartbeat,
    stopping: asyncio.Event,
) -> None:
    """Host the lanes of these stages until `stopping` is set. Empty `stages` means all stages, also
    those of later versions.

    Raises NothingAppliedError, NothingToHostError if none of them can be hosted at the start,
    OutdatedCodeError, and MembershipError or BrokerError when Kafka cannot be reached.
    """
    async with (
        follow_versions(settings, pipeline) as published,
        follow_control_state(settings, pipeline) as control,
    ):
        host = StageHost(settings, published, control, stages, beat)
        orphaned = asyncio.Event()
        beating = asyncio.create_task(beat.run(host.lanes, orphaned))
        watch = SlowCallWatch(
            settings.session_timeout, silence_limit(settings.session_timeout), host.functions
        )
        watching = asyncio.create_task(watch.run())
        hosting = asyncio.create_task(host.run())
        ends = [asyncio.create_task(event.wait()) for event in (stopping, orphaned)]
        try:
            await asyncio.wait({hosting, *ends}, return_when=asyncio.FIRST_COMPLETED)
            host.drain()
            await hosting
        finally:
            host.drain()
            await asyncio.wait({hosting})
            for task in (beating, watching, *ends):
                task.cancel()


def tune_garbage_collector() -> None:
    """Run the garbage collector seldom. Events make no reference cycles: the default, a
    collection every 700 objects, costs a fifth of the throughput and finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def limit_memory(mebibytes: int) -> None:
    """Limit the memory of this process, so that a function that allocates without end gets a
    MemoryError before the machine runs out of memory."""
    limit = mebibytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
