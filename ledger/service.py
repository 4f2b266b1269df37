"""How does the bookkeeper run: a lane over each partition of the ledger?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.catalog.topology_table import decode_installation
from farandole.events.next_step import command_line_with
from farandole.lanes.lane_group import LaneGroup, run_with_companion
from farandole.lanes.lane_spec import LaneSpec
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.lag_probe import LagProbe
from farandole.ledger.stage_alerts import AlertCondition, alert_conditions, topic_conditions

DRAIN_SECONDS = 10.0  # how long the lanes may take to end
_ALERTING_LANE = 0  # the only lane that writes alerts about stages


async def run_bookkeeper(settings: Settings, stopping: asyncio.Event) -> None:
    """Run the bookkeeper until `stopping` is set. Any number may run: they share the lanes.

    Raises a lane group's error or BrokerError when Kafka stays unreachable.
    """
    names = settings.names
    async with follow_table(settings, names.topology_topic) as table:
        source = await _wait_for_source(table, stopping)
        probe = LagProbe(
            settings, lambda: table.rows, lambda: _ALERTING_LANE in group.running_lanes
        )

        def take_conditions() -> Sequence[AlertCondition] | None:
            latest = probe.take_latest()
            if latest is None:
                return None
            return [*alert_conditions(latest.stages), *topic_conditions(latest.topics)]

        def make_lane(lane: int) -> BookkeeperLane:
            def read_age() -> float | None:
                return group.read_age(lane)

            if lane != _ALERTING_LANE:
                return BookkeeperLane(names, lane, source, read_age=read_age)
            return BookkeeperLane(
                names,
                lane,
                source,
                read_age=read_age,
                take_conditions=take_conditions,
                command_line=command_line_with(settings.command_options),
            )

        spec = LaneSpec(
            group=names.bookkeeper_group,
            topics=[names.ledger_topic],
            transactional_id=lambda lane: f"{names.bookkeeper_group}:{lane}",
            work=make_lane,
            drain_seconds=DRAIN_SECONDS,
            state_topics=[names.runs_topic, names.bookkeeper_state_topic],
            restart_lost_input=True,  # the lane's state says which entries are folded
        )
        group = LaneGroup(settings, spec, isolation=asyncio.Lock())
        await run_with_companion(group, probe.run(), stopping)


async def _wait_for_source(table: TableFollower, stopping: asyncio.Event) -> str:
    """Wait until a first version is published, and return the `ce_source` of run rows. It contains
    the installation's id. Returns an empty text if `stopping` is set first."""
    while (installation := decode_installation(table.rows)) is None:
        if stopping.is_set():
            return ""  # it is not used, because the lane group ends at once
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await table.next_change()
    return f"farandole://{installation.id}/farandole/bookkeeper"
