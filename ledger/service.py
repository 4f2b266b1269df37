"""How does the bookkeeper run: a lane over each partition of the ledger?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence, Set
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.broker.share_watch import watch_shares
from farandole.broker.table_follower import follow_table
from farandole.catalog.service_source import wait_for_source
from farandole.catalog.topology_table import TopologyDecoder
from farandole.events.controls_in_force import drain_in_force
from farandole.events.next_step import command_line_with
from farandole.events.topology_version import Version
from farandole.lanes.lane_group import LaneGroup, run_with_companion
from farandole.lanes.lane_spec import LaneSpec
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.check_functions import CheckFunctions
from farandole.ledger.control_alerts import control_conditions
from farandole.ledger.control_watch import watch_controls
from farandole.ledger.lag_probe import LagProbe
from farandole.ledger.overdue_schedules import OverdueSchedules
from farandole.ledger.quality_service import compare_runs
from farandole.ledger.schedule_rows import follow_schedules
from farandole.ledger.stage_alerts import (
    AlertCondition,
    alert_conditions,
    topic_conditions,
    with_throttles,
)
from farandole.telemetry.meter import Meter, Sample
from farandole.telemetry.metric_catalog import OPEN_RUNS

DRAIN_SECONDS = 10.0  # how long the lanes may take to end
_ALERTING_LANE = 0  # the only lane that writes alerts about stages


async def run_bookkeeper(
    settings: Settings, stopping: asyncio.Event, folder: Path, *, meter: Meter | None = None
) -> None:
    """Run the bookkeeper until `stopping` is set. Any number may run: they share the lanes. The
    functions of checks are imported from `folder`, in processes of their own. `meter` measures the
    process.

    Raises a lane group's error or BrokerError when Kafka stays unreachable.
    """
    names = settings.names
    async with AsyncExitStack() as stack:
        following = follow_table(settings, names.topology_topic)
        table = await stack.enter_async_context(following)
        source = await wait_for_source(table, "bookkeeper", stopping)
        controls = await stack.enter_async_context(watch_controls(settings))
        shares = await stack.enter_async_context(watch_shares(settings))
        schedules = await stack.enter_async_context(follow_schedules(settings))
        decoder = TopologyDecoder()
        overdue = OverdueSchedules()
        functions = CheckFunctions(folder)

        def is_drained(pipeline: str) -> bool:
            drain = drain_in_force(controls.documents(), pipeline, datetime.now(UTC))
            return drain is not None

        probe = LagProbe(
            settings,
            lambda: table.rows,
            lambda: _ALERTING_LANE in group.running_lanes,
            schedules.current,
            is_drained,
        )

        def throttled() -> Set[tuple[str, str]]:
            return shares.current().keys()

        def version_of(pipeline: str, number: int) -> Version | None:
            return decoder.decode(table.rows).by_name.get(f"{pipeline}@{number}".encode())

        def take_conditions(firing: Set[str]) -> Sequence[AlertCondition] | None:
            latest = probe.take_latest()
            if latest is None:
                return None
            now = datetime.now(UTC)
            versions = decoder.decode(table.rows)
            return [
                *alert_conditions(with_throttles(latest.stages, throttled())),
                *topic_conditions(latest.topics),
                *control_conditions(controls.documents(), controls.unread(), versions, now),
                *overdue.conditions(
                    latest.schedules,
                    versions,
                    controls.documents(),
                    firing,
                    latest.schedulers,
                    now,
                ),
            ]

        measures = meter or Meter()
        made: dict[int, BookkeeperLane] = {}

        def count_open_runs() -> Iterator[Sample]:
            open_runs = (made[lane].open_runs for lane in group.running_lanes if lane in made)
            yield Sample(OPEN_RUNS, (), sum(open_runs))

        measures.watch("books", count_open_runs)

        def make_lane(lane: int) -> BookkeeperLane:
            def read_age() -> float | None:
                return group.read_age(lane)

            of_lane = partial(
                BookkeeperLane,
                names,
                lane,
                source,
                read_age=read_age,
                throttled=throttled,
                version_of=version_of,
                read_versions=table.current,
                call_functions=functions.answer,
                command_line=command_line_with(settings.command_options),
                meter=measures,
            )
            is_alerting = lane == _ALERTING_LANE
            made[lane] = of_lane(take_conditions=take_conditions) if is_alerting else of_lane()
            return made[lane]

        spec = LaneSpec(
            group=names.bookkeeper_group,
            topics=[names.ledger_topic],
            transactional_id=lambda lane: f"{names.bookkeeper_group}:{lane}",
            work=make_lane,
            drain_seconds=DRAIN_SECONDS,
            state_topics=[names.runs_topic, names.bookkeeper_state_topic],
            restart_lost_input=True,  # the lane's state says which entries are folded
        )
        group = LaneGroup(settings, spec, isolation=asyncio.Lock(), meter=measures)

        async def beside() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(probe.run())
                tasks.create_task(
                    compare_runs(
                        settings, source, version_of, controls.documents, table.current, measures
                    )
                )

        await run_with_companion(group, beside(), stopping)
