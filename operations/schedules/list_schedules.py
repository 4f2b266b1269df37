"""Which schedules are there, when do they fire next, and what became of them last?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.operations.control.control_query import UnfitControl
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import require_published
from farandole.operations.results import Result
from farandole.operations.schedules.schedule_reader import ReadSource, ScheduleSource
from farandole.operations.schedules.schedule_state import ScheduleState


@dataclass(frozen=True, slots=True)
class SchedulesRequest:
    """Which schedules are listed."""

    pipeline: str | None = None
    """None: those of every pipeline."""


class SchedulesResult(Result):
    """Schedules by pipeline, in the order of its file."""

    schedules: list[ScheduleState]
    schedulers: int
    """How many processes of the scheduler run; 0: nothing fires."""
    unfit: list[UnfitControl]
    """Control documents about schedules that are not there."""


@query
async def list_schedules(
    installation: Installation, request: SchedulesRequest, source: ScheduleSource | None = None
) -> SchedulesResult:
    """Return the schedules of the versions in force, without backfills that have ended. `source`:
    None to read the topics. Raises NotFoundError (`nothing_applied`, `pipeline_unknown`) and
    UnavailableError."""
    if request.pipeline is not None:
        await require_published(installation, request.pipeline)
    facts = await (source or ReadSource(installation)).facts()
    versions = [
        each
        for each in facts.topology.newest_versions()
        if request.pipeline in (None, each.pipeline)
    ]
    if not versions:
        await installation.versions()  # raises an error that says what to do
    states = [
        facts.scope.state(version, name) for version in versions for name in version.schedules
    ]
    return SchedulesResult(
        schedules=[_without_ended_backfills(each) for each in states],
        schedulers=facts.schedulers,
        unfit=[each for each in facts.unfit if request.pipeline in (None, each.pipeline)],
    )


def _without_ended_backfills(state: ScheduleState) -> ScheduleState:
    running = [each for each in state.backfills if each.ended is None]
    return state.model_copy(update={"backfills": running})
