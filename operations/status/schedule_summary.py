"""Which schedules of a pipeline do not fire as planned?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.catalog.topology_table import TopologyTable
from farandole.events.controls_in_force import TimedDocument
from farandole.events.topology_version import Version
from farandole.ledger.overdue_schedules import OverdueSchedules
from farandole.operations.results import Result
from farandole.operations.schedules.pause_schedule import paused_schedules
from farandole.operations.schedules.schedule_state import SchedulePauseState
from farandole.operations.schedules.schedule_table import read_schedule_table


class ScheduleSummary(Result):
    """The schedules of a version in force."""

    schedules: int
    paused: dict[str, SchedulePauseState]
    overdue: list[str]
    """Those that should have fired by now, and have not."""
    schedulers: int
    """How many processes of the scheduler run; 0: nothing fires."""


async def read_schedule_summaries(
    admin: ClusterAdmin,
    settings: Settings,
    topology: TopologyTable,
    versions: Sequence[Version],
    documents: Sequence[TimedDocument],
    now: datetime,
) -> Mapping[str, ScheduleSummary]:
    """Return the summaries of those of the versions that have schedules, by pipeline. `documents`:
    in the order of the log. Raises BrokerError."""
    versions = [each for each in versions if each.schedules]
    if not versions:
        return {}
    rows = (await read_schedule_table(settings)).rows
    overdue = OverdueSchedules().overdue(rows, topology, documents, now)
    schedulers = await admin.count_members(settings.names.scheduler_group)
    return {
        version.pipeline: ScheduleSummary(
            schedules=len(version.schedules),
            paused=paused_schedules(version, documents, now),
            overdue=[name for name in version.schedules if (version.pipeline, name) in overdue],
            schedulers=schedulers,
        )
        for version in versions
    }
