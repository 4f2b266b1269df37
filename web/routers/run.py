"""What is known of one run, and how is it repeated, cancelled or let into a stage?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from farandole.operations.control.cancel import (
    CancelRequest,
    CancelResult,
    cancel_run,
    plan_cancel,
)
from farandole.operations.errors import query
from farandole.operations.events.event_content import read_content
from farandole.operations.events.root_publisher import PublishedRoot
from farandole.operations.events.shown_data import ShownData, shown_data
from farandole.operations.gates.release_run import ReleaseRequest, ReleaseResult, release_run
from farandole.operations.read_model.known_run import show_known_run
from farandole.operations.runs.again import AgainRequest, plan_again, repeat_run
from farandole.operations.runs.bookkeeper_lag import read_bookkeeper_lag
from farandole.operations.runs.run_balance import RunBalance, run_balance
from farandole.operations.runs.run_timeline import TimelineRequest, TimelineResult, read_timeline
from farandole.operations.status.stage_waits import StageWait, StageWaitsRequest, find_stage_waits
from farandole.web.access import Operator, Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/runs/{run}", tags=["run"])

LAG_SECONDS = 5.0
SLOW_SECONDS = 2.0
"""For so long all who look at a run share what took Kafka's time."""


class ReleaseBody(BaseModel):
    """Why a run is let in, and into which of its gated stages."""

    reason: Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]
    stage: str | None = None
    """None: into each."""


class AgainPreview(BaseModel):
    """What repeating a run publishes."""

    run: str
    pipeline: str
    version: int
    """The version in force, under which the new run goes on."""
    event_type: str
    position: str
    data: ShownData


@router.get("")
async def show(run: str, console: CurrentConsole, principal: Viewer) -> RunBalance:
    """Return where every event of a run is. `run` may be the beginning of an id."""
    installation = console.installation_for(principal)
    lag = await console.answers.get(
        "bookkeeper lag", LAG_SECONDS, lambda: query(read_bookkeeper_lag)(installation.settings)
    )
    return run_balance(await show_known_run(console.model, installation, run, lag))


@router.get("/timeline")
async def timeline(run: str, console: CurrentConsole, principal: Viewer) -> TimelineResult:
    """Return when each stage has settled events of a run."""
    return await console.answers.get(
        ("timeline", run),
        SLOW_SECONDS,
        lambda: read_timeline(console.installation_for(principal), TimelineRequest(run)),
    )


@router.get("/waits")
async def waits(
    run: str,
    pipeline: str,
    version: int,
    console: CurrentConsole,
    principal: Viewer,
    stage: Annotated[list[str] | None, Query()] = None,
) -> list[StageWait]:
    """Return why events wait at stages of the version of a run, the worst reason of each first."""
    stages = tuple(stage or ())
    return await console.answers.get(
        ("waits", pipeline, version, stages),
        SLOW_SECONDS,
        lambda: find_stage_waits(
            console.installation_for(principal, pipeline), StageWaitsRequest(version, stages)
        ),
    )


@router.get("/again")
async def preview_again(run: str, console: CurrentConsole, principal: Viewer) -> AgainPreview:
    """Return what repeating a run would publish."""
    plan = await plan_again(console.installation_for(principal), AgainRequest(run))
    schema = plan.version.events[plan.event_type].data_schema
    return AgainPreview(
        run=run,
        pipeline=plan.version.pipeline,
        version=plan.version.version,
        event_type=plan.event_type,
        position=f"{plan.event_type}/{plan.root.partition}/{plan.root.offset}",
        data=shown_data(read_content(plan.root), schema),
    )


@router.post("/again")
async def again(run: str, console: CurrentConsole, principal: Operator) -> PublishedRoot:
    """Publish the root of a run again, and return the run that it opens."""
    return await repeat_run(console.installation_for(principal), AgainRequest(run))


@router.get("/cancel")
async def preview_cancel(run: str, console: CurrentConsole, principal: Viewer) -> CancelResult:
    """Return what is in flight of a run that can be cancelled."""
    return await plan_cancel(console.installation_for(principal), run)


@router.post("/cancel")
async def cancel(run: str, console: CurrentConsole, principal: Operator) -> CancelResult:
    """Cancel a run: none of its events is handled any more."""
    return await console.answers.renewed_by(
        cancel_run(console.installation_for(principal), CancelRequest(run, principal.name))
    )


@router.post("/release")
async def release(
    run: str, body: ReleaseBody, console: CurrentConsole, principal: Operator
) -> ReleaseResult:
    """Let a run into its gated stages, whatever its checks say."""
    asked = ReleaseRequest(run, principal.name, body.reason.strip(), body.stage)
    return await console.answers.renewed_by(release_run(console.installation_for(principal), asked))
