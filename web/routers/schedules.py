"""When do schedules fire, what became of their planned times, and how are they steered?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from farandole.operations.read_model.schedule_source import FollowedSource
from farandole.operations.schedules.backfill import (
    BackfillOrder,
    CancelBackfillRequest,
    CancelledBackfill,
    cancel_backfill,
    order_backfill,
)
from farandole.operations.schedules.backfill_plan import (
    BackfillPlan,
    BackfillRequest,
    preview_backfill,
)
from farandole.operations.schedules.fire import NOW, FireRequest, FireResult, fire
from farandole.operations.schedules.list_schedules import (
    SchedulesRequest,
    SchedulesResult,
    list_schedules,
)
from farandole.operations.schedules.pause_schedule import (
    PauseScheduleRequest,
    PauseScheduleResult,
    ResumeScheduleResult,
    pause_schedule,
    resume_schedule,
)
from farandole.operations.schedules.schedule_calendar import (
    CalendarRequest,
    ScheduleCalendar,
    read_calendar,
)
from farandole.operations.schedules.show_schedule import ShowRequest, ShowResult, show_schedule
from farandole.web.access import Operator, Viewer
from farandole.web.console import Console, CurrentConsole
from farandole.web.recent_answers import LIVE_SECONDS

router = APIRouter(prefix="/schedules", tags=["schedules"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    comment: Annotated[str, Field(max_length=500)] = ""


class PauseBody(_Body):
    """Until when a schedule is paused, or goes on whatever the file says."""

    until: AwareDatetime | None = None
    """None: until somebody says otherwise."""


class FireBody(_Body):
    """For which planned time a schedule fires."""

    planned: str = NOW
    """A date and time, in the schedule's zone if it has no offset; or `now`."""
    unplanned: bool = False
    """Whether it may be a time for which the schedule is not planned."""


class BackfillBody(_Body):
    """The planned times for which a schedule fires."""

    start: str
    """A date and time, in the schedule's zone if it has no offset."""
    end: str | None = None
    """As `start`; not in the range. None: now."""
    missing: bool = True
    """Whether planned times that have fired are left out."""
    max_parallel: Annotated[int, Field(ge=1, le=100)] = 1


class BackfillOrderBody(BackfillBody):
    """A backfill that was looked at: `start` and `end` are those of the plan."""

    token: str
    """That of the plan."""


@router.get("")
async def list_all(
    console: CurrentConsole, principal: Viewer, pipeline: str | None = None
) -> SchedulesResult:
    """Return how all schedules stand, or those of one pipeline."""
    return await console.answers.get(
        ("schedules", pipeline),
        LIVE_SECONDS,
        lambda: list_schedules(
            console.installation_for(principal), SchedulesRequest(pipeline), _source(console)
        ),
    )


@router.get("/calendar")
async def show_calendar(
    console: CurrentConsole,
    principal: Viewer,
    start: AwareDatetime,
    end: AwareDatetime,
    pipeline: str | None = None,
) -> ScheduleCalendar:
    """Return what became of the planned times of at most 32 days, and what is planned."""
    request = CalendarRequest(start, end, pipeline)
    return await console.answers.get(
        request,
        LIVE_SECONDS,
        lambda: read_calendar(console.installation_for(principal), request, _source(console)),
    )


@router.post("/{pipeline}/pause")
async def pause_all(
    console: CurrentConsole, principal: Operator, pipeline: str, body: PauseBody
) -> PauseScheduleResult:
    """Pause every schedule of a pipeline."""
    request = PauseScheduleRequest(
        principal.name, None, pipeline, until=body.until, comment=body.comment
    )
    return await console.answers.renewed_by(
        pause_schedule(console.installation_for(principal, pipeline), request)
    )


@router.post("/{pipeline}/resume")
async def resume_all(
    console: CurrentConsole, principal: Operator, pipeline: str, body: PauseBody
) -> ResumeScheduleResult:
    """Let every schedule of a pipeline go on."""
    request = PauseScheduleRequest(
        principal.name, None, pipeline, until=body.until, comment=body.comment
    )
    return await console.answers.renewed_by(
        resume_schedule(console.installation_for(principal, pipeline), request)
    )


@router.get("/{pipeline}/{schedule}")
async def show(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    schedule: str,
    limit: Annotated[int, Query(ge=1, le=200)] = 10,
    before: str | None = None,
) -> ShowResult:
    """Return how a schedule stands, and a page of its history, the newest planned time first."""
    request = ShowRequest(schedule, pipeline, history=True, limit=limit, before=before)
    installation = console.installation_for(principal, pipeline)
    return await show_schedule(installation, request, _source(console))


@router.post("/{pipeline}/{schedule}/pause")
async def pause(
    console: CurrentConsole, principal: Operator, pipeline: str, schedule: str, body: PauseBody
) -> PauseScheduleResult:
    """Pause a schedule."""
    request = PauseScheduleRequest(
        principal.name, schedule, pipeline, until=body.until, comment=body.comment
    )
    return await console.answers.renewed_by(
        pause_schedule(console.installation_for(principal, pipeline), request)
    )


@router.post("/{pipeline}/{schedule}/resume")
async def resume(
    console: CurrentConsole, principal: Operator, pipeline: str, schedule: str, body: PauseBody
) -> ResumeScheduleResult:
    """Let a schedule go on."""
    request = PauseScheduleRequest(
        principal.name, schedule, pipeline, until=body.until, comment=body.comment
    )
    return await console.answers.renewed_by(
        resume_schedule(console.installation_for(principal, pipeline), request)
    )


@router.post("/{pipeline}/{schedule}/fire")
async def fire_once(
    console: CurrentConsole, principal: Operator, pipeline: str, schedule: str, body: FireBody
) -> FireResult:
    """Order that a schedule fires once."""
    request = FireRequest(
        schedule, principal.name, body.planned, pipeline, body.unplanned, body.comment
    )
    return await console.answers.renewed_by(
        fire(console.installation_for(principal, pipeline), request)
    )


@router.get("/{pipeline}/{schedule}/backfill-plan")
async def preview(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    schedule: str,
    body: Annotated[BackfillBody, Query()],
) -> BackfillPlan:
    """Return for which planned times a backfill would fire, and its token; nothing is written."""
    request = _backfill_request(principal.name, pipeline, schedule, body)
    return await preview_backfill(console.installation_for(principal, pipeline), request)


@router.post("/{pipeline}/{schedule}/backfills")
async def backfill(
    console: CurrentConsole,
    principal: Operator,
    pipeline: str,
    schedule: str,
    body: BackfillOrderBody,
) -> BackfillOrder:
    """Order a backfill that was looked at; 409 if it would fire for other times by now."""
    request = _backfill_request(principal.name, pipeline, schedule, body, body.token)
    return await console.answers.renewed_by(
        order_backfill(console.installation_for(principal, pipeline), request)
    )


@router.delete("/{pipeline}/{schedule}/backfills/{backfill_id}")
async def cancel(
    console: CurrentConsole, principal: Operator, pipeline: str, schedule: str, backfill_id: str
) -> CancelledBackfill:
    """Let a backfill begin no more runs."""
    request = CancelBackfillRequest(schedule, backfill_id, pipeline)
    return await console.answers.renewed_by(
        cancel_backfill(console.installation_for(principal, pipeline), request)
    )


def _source(console: Console) -> FollowedSource:
    return FollowedSource(console.model, console.installation)


def _backfill_request(
    by: str, pipeline: str, schedule: str, body: BackfillBody, token: str | None = None
) -> BackfillRequest:
    return BackfillRequest(
        schedule,
        by,
        body.start,
        body.end,
        max_parallel=body.max_parallel,
        missing=body.missing,
        confirmed=token is not None,  # who has the token has seen the exact number
        pipeline=pipeline,
        comment=body.comment,
        token=token,
    )
