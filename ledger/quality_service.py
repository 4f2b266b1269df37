"""How do the lanes run that compare each run with those before it?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.controls_in_force import TimedDocument
from farandole.events.topology_version import Version
from farandole.lanes.lane_group import LaneGroup
from farandole.lanes.lane_spec import LaneSpec
from farandole.ledger.quality_lane import QualityLane
from farandole.telemetry.meter import Meter

_DRAIN_SECONDS = 5.0  # how long the lanes may take to end
_LOOK_INTERVAL = 5.0  # seconds between two looks for the topics, which a router creates


async def compare_runs(
    settings: Settings,
    source: str,
    version_of: Callable[[str, int], Version | None],
    documents: Callable[[], Sequence[TimedDocument]],
    read_versions: Callable[[], Awaitable[object]],
    meter: Meter | None = None,
) -> None:
    """Run the lanes until cancelled, from the time when their topics exist. `source`: the
    `ce_source` of what they write; `documents` returns the control documents in the order of the
    log, `read_versions` reads the versions that are published now. Raises a lane group's error, or
    BrokerError when Kafka stays unreachable."""
    names = settings.names
    needed = {names.quality_history_topic, names.quality_state_topic}
    async with ClusterAdmin.open(settings) as admin:
        while True:
            if needed <= (await admin.topics(needed)).keys():
                break
            await asyncio.sleep(_LOOK_INTERVAL)
    spec = LaneSpec(
        group=names.quality_group,
        topics=[names.quality_history_topic],
        transactional_id=lambda lane: f"{names.quality_group}:{lane}",
        work=lambda lane: QualityLane(names, lane, source, version_of, documents),
        drain_seconds=_DRAIN_SECONDS,
        state_topics=[names.quality_history_topic, names.quality_state_topic],
        restart_lost_input=True,  # the state says which runs are judged
        catch_up=read_versions,
    )
    group = LaneGroup(settings, spec, isolation=asyncio.Lock(), meter=meter)
    await group.run(asyncio.Event())
