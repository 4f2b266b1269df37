"""How does the bookkeeper run: a lane over each partition of the ledger?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.catalog.topology_table import decode_installation
from farandole.lanes.lane_group import LaneGroup, run_with_companion
from farandole.lanes.lane_spec import LaneSpec
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.lag_probe import LagProbe
from farandole.ledger.stage_alerts import AlertCondition, alert_conditions

DRAIN_SECONDS = 10.0  # seconds that the lanes have to end
_ALERTING_LANE = 0  # the lane that tells of stages: there is one in the installation


async def run_bookkeeper(settings: Settings, stopping: asyncio.Event) -> None:
    """Keep the books until `stopping` is set. Any number of these may run: they share the lanes.

    Raises lanes.group.Broken or BrokerError when Kafka is out of reach for good.
    """
    names = settings.names
    async with follow_table(settings, names.topology_topic) as table:
        source = await _wait_for_source(table, stopping)
        watching = LagProbe(
            settings, lambda: table.rows, lambda: _ALERTING_LANE in group.running_lanes
        )

        def seen() -> Sequence[AlertCondition] | None:
            look = watching.taken()
            return None if look is None else [*alert_conditions(look, settings.command_options)]

        def work(lane: int) -> BookkeeperLane:
            if lane != _ALERTING_LANE:
                return BookkeeperLane(names, lane, source)
            return BookkeeperLane(names, lane, source, seen=seen)

        spec = LaneSpec(
            group=names.bookkeeper_group,
            topics=[names.ledger_topic],
            transactional_id=lambda lane: f"{names.bookkeeper_group}:{lane}",
            work=work,
            drain_seconds=DRAIN_SECONDS,
            state_topics=[names.runs_topic, names.bookkeeper_state_topic],
            restart_lost_input=True,  # the state says what is read already
        )
        group = LaneGroup(settings, spec, isolation=asyncio.Lock())
        await run_with_companion(group, watching.run(), stopping)


async def _wait_for_source(table: TableFollower, stopping: asyncio.Event) -> str:
    """The `ce_source` of rows, once somebody has installed something here."""
    while (installation := decode_installation(table.rows)) is None:
        if stopping.is_set():
            return ""  # the group ends before it begins
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await table.next_change()
    return f"farandole://{installation.id}/farandole/bookkeeper"
