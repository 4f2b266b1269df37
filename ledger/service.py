"""How does the bookkeeper run: a lane over each partition of the ledger?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.events.topology_version import INSTALLATION_KEY, Installation, parse_topology_row
from farandole.lanes.lane_group import LaneGroup, run_with_companion
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.lag_probe import LagProbe
from farandole.ledger.stage_alerts import AlertCondition, alert_conditions

DRAIN_SECONDS = 10.0  # that the lanes have to end
_ALERTING_LANE = 0  # writes the alerts about stages, so that there is one of each


async def run_bookkeeper(settings: Settings, stopping: asyncio.Event) -> None:
    """Run the bookkeeper until `stopping` is set. Any number may run: they share the lanes.

    Raises a lane group's error or BrokerError when Kafka stays unreachable.
    """
    names = settings.names
    async with follow_table(settings, names.topology_topic) as table:
        source = await _wait_for_source(table, stopping)
        probe = LagProbe(settings, lambda: table.rows, lambda: _ALERTING_LANE in group.lanes)

        def take_conditions() -> Sequence[AlertCondition] | None:
            samples = probe.take_latest()
            return None if samples is None else [*alert_conditions(samples, settings.options)]

        def make_lane(lane: int) -> BookkeeperLane:
            if lane != _ALERTING_LANE:
                return BookkeeperLane(names, lane, source)
            return BookkeeperLane(names, lane, source, take_conditions=take_conditions)

        group = LaneGroup(
            settings,
            names.bookkeeper_group,
            [names.ledger_topic],
            lambda lane: f"{names.bookkeeper_group}:{lane}",
            make_lane,
            alone=asyncio.Lock(),
            patience=DRAIN_SECONDS,
            state=[names.runs_topic, names.bookkeeper_state_topic],
            from_start=True,  # the lane's state says which entries are folded
        )
        await run_with_companion(group, probe.run(), stopping)


async def _wait_for_source(table: TableFollower, stopping: asyncio.Event) -> str:
    """Wait until a first version is published, and return the `ce_source` of run rows. It contains
    the installation's id. Returns an empty text if `stopping` is set first."""
    while INSTALLATION_KEY not in table.rows:
        if stopping.is_set():
            return ""  # not used: the lane group ends at once
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await table.changed()
    installation = parse_topology_row(INSTALLATION_KEY, table.rows[INSTALLATION_KEY])
    assert isinstance(installation, Installation)
    return f"farandole://{installation.id}/farandole/bookkeeper"
