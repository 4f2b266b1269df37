"""How does each schedule stand, by the rows that are followed?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from farandole.events.controls_in_force import TimedDocument
from farandole.ledger.overdue_schedules import OverdueSchedules
from farandole.operations.read_model.folded_tables import FoldedTables
from farandole.operations.schedules.schedule_state import (
    ScheduleScope,
    ScheduleState,
    watched_runs,
)
from farandole.operations.schedules.schedule_table import decode_schedule_rows
from farandole.router.unseen_dependencies import published_roots


def find_schedule_states(
    tables: FoldedTables, overdue: OverdueSchedules, folder: Path, now: datetime
) -> list[ScheduleState]:
    """Return the schedules of the versions in force, by pipeline in the order of its file.
    `folder`: that of local paths."""
    versions = [each for each in tables.topology.newest_versions() if each.schedules]
    if not versions:
        return []
    scope = schedule_scope(tables, [*tables.documents.values()], overdue, folder, now)
    return [scope.state(version, name) for version in versions for name in version.schedules]


def schedule_scope(
    tables: FoldedTables,
    documents: Sequence[TimedDocument],
    overdue: OverdueSchedules,
    folder: Path,
    now: datetime,
) -> ScheduleScope:
    """Return what is known of all schedules now. `documents`: in the order of the log."""
    table = decode_schedule_rows(dict(tables.schedule_rows))
    runs = watched_runs([*table.schedules.values(), *table.backfills.values()])
    return ScheduleScope(
        table,
        documents,
        overdue.overdue(table.rows, tables.topology, documents, now),
        run_statuses(tables, runs),
        now,
        published_roots(tables.topology),
        folder,
    )


def run_statuses(tables: FoldedTables, runs: Collection[str]) -> dict[str, str]:
    """Return the status of each of these runs that is known."""
    return {run: status for run in runs if (status := tables.runs.status(run)) is not None}
