"""What is known of all schedules at this moment?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from farandole.broker.settings import Settings
from farandole.catalog.topology_table import TopologyTable
from farandole.events.controls_in_force import TimedDocument
from farandole.events.schedule_document import BackfillDocument, FireDocument, ScheduleDocument
from farandole.ledger.overdue_schedules import OverdueSchedules
from farandole.operations.control.control_query import (
    UnfitControl,
    read_control_state,
    unfit_controls,
)
from farandole.operations.installation import Installation
from farandole.operations.runs.run_rows import read_statuses
from farandole.operations.schedules.schedule_state import ScheduleScope, watched_runs
from farandole.operations.schedules.schedule_table import count_schedulers, read_schedule_table
from farandole.router.topology_store import read_topology
from farandole.router.unseen_dependencies import published_roots


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """Everything that is known of schedules."""

    topology: TopologyTable
    scope: ScheduleScope
    schedulers: int
    """How many processes of the scheduler run."""
    unfit: list[UnfitControl]
    """Control documents about schedules that are not there."""


class ScheduleSource(Protocol):
    """Who knows what is known of schedules. Raises BrokerError."""

    async def facts(self) -> ScheduleFacts:
        """Return everything that is known of schedules now."""

    async def statuses(self, runs: Collection[str]) -> Mapping[str, str]:
        """Return the status of each of these runs that the books know."""


@dataclass(frozen=True, slots=True)
class ReadSource:
    """Reads the topics when it is asked."""

    installation: Installation

    async def facts(self) -> ScheduleFacts:
        return await read_schedule_facts(self.installation.settings, self.installation.folder)

    async def statuses(self, runs: Collection[str]) -> Mapping[str, str]:
        return await read_statuses(self.installation.settings, runs)


async def read_schedule_facts(settings: Settings, folder: Path) -> ScheduleFacts:
    """Read the versions, the documents, the scheduler's rows and how its runs stand in the
    books. Local paths are relative to `folder`. Raises NotAppliedError, NewerFormatError and
    BrokerError."""
    topology = await read_topology(settings)
    documents = _about_schedules((await read_control_state(settings)).values())
    table = await read_schedule_table(settings)
    runs = watched_runs([*table.schedules.values(), *table.backfills.values()])
    statuses = await read_statuses(settings, runs)
    schedulers = await count_schedulers(settings)
    now = datetime.now(UTC)
    overdue = OverdueSchedules().overdue(table.rows, topology, documents, now)
    return ScheduleFacts(
        topology,
        ScheduleScope(table, documents, overdue, statuses, now, published_roots(topology), folder),
        schedulers,
        unfit_schedule_controls(documents, topology, now),
    )


def unfit_schedule_controls(
    documents: Iterable[TimedDocument], topology: TopologyTable, now: datetime
) -> list[UnfitControl]:
    """Return the documents about schedules that are not there. `documents`: in the order of the
    log."""
    return unfit_controls(_about_schedules(documents), topology.versions, now, topology.newer)


def _about_schedules(documents: Iterable[TimedDocument]) -> list[TimedDocument]:
    kinds = ScheduleDocument | FireDocument | BackfillDocument
    return [each for each in documents if isinstance(each.control, kinds)]
