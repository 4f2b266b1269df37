"""What does one worker process do from its start to its end?"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection

from farandole.broker.lazy_follower import follow_lazily
from farandole.broker.settings import Settings
from farandole.catalog.published_versions import follow_versions
from farandole.worker.control_follower import follow_control_state
from farandole.worker.heartbeat import Heartbeat, silence_limit
from farandole.worker.slow_calls import SlowCallWatch
from farandole.worker.stage_host import StageHost
from farandole.worker.throttle.share_table import ShareTable

_WITHOUT_SHARES = "lanes cannot tell each other what they need: each has the same share"
_WITHOUT_GATES = "no run enters a stage with a gate, unless a person releases it"


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
    names = settings.names
    async with (
        follow_versions(settings, pipeline) as published,
        follow_control_state(settings, pipeline, lambda: published.versions) as control,
        follow_lazily(settings, names.shares_topic, _WITHOUT_SHARES) as shares,
        follow_lazily(settings, names.gates_topic, _WITHOUT_GATES) as gates,
    ):
        table = ShareTable(shares)
        host = StageHost(settings, published, control, stages, beat, table, gates.rows)
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
