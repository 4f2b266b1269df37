"""Which controls are in force, what have they done, and how are they set and ended?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from farandole.events.switch_document import Mode
from farandole.events.throttle_document import RateTarget
from farandole.operations.control.canary_report import EvidencePoint, read_evidence
from farandole.operations.control.control_options import ControlOptions, control_options
from farandole.operations.control.controls_table import (
    ControlsRequest,
    ControlsTable,
    read_controls,
)
from farandole.operations.control.flag import FlagRequest, FlagResult, set_flag
from farandole.operations.control.restart import RestartRequest, RestartResult, restart
from farandole.operations.control.stage_reports import StageReports, read_stage_reports
from farandole.operations.control.switch import SwitchRequest, SwitchResult, switch
from farandole.operations.control.throttle import RateState, ThrottleRequest, throttle
from farandole.operations.drain.drain import (
    DrainEnd,
    DrainOrder,
    DrainRequest,
    end_drain,
    order_drain,
    read_drain,
)
from farandole.operations.drain.drain_state import DrainState
from farandole.web.access import Operator, Viewer
from farandole.web.console import CurrentConsole
from farandole.web.recent_answers import LIVE_SECONDS

router = APIRouter(prefix="/control", tags=["control"])


class ControlBody(BaseModel):
    """Until when, and why."""

    model_config = ConfigDict(extra="forbid")

    comment: Annotated[str, Field(max_length=500)] = ""
    until: AwareDatetime | None = None
    """None: until somebody says otherwise."""


class SwitchBody(ControlBody):
    """The mode that a stage or pipeline is to have."""

    mode: Mode
    stage: str | None = None
    """None: the whole pipeline, which can be on or hold."""
    run: str = ""
    """The candidate, `package.module:function`."""
    share: float | str | None = None
    """0.1, or `10%`."""
    allow_effects: bool = False


class ThrottleBody(ControlBody):
    """The rate that a stage, the roots (neither) or a limit is to have."""

    stage: str = ""
    limit: str = ""
    rate: str | None = None
    """`100/s`, `off` for no limit, `file` for that of the file; None to leave it as in the file."""
    per_key: str | None = None
    """As `rate`, for each key of a stage."""


class FlagBody(ControlBody):
    """The value that a flag is to have."""

    flag: str
    value: str | None
    """JSON or, for a flag of type `text`, the text itself. None: the default of the file."""
    stage: str = ""
    share: float | str | None = None
    when: str = ""
    """A CEL condition over the attributes of an event."""


class RestartBody(BaseModel):
    """Which processes are restarted."""

    model_config = ConfigDict(extra="forbid")

    stage: str | None = None
    """None: those of every stage."""


@router.get("")
async def list_all(
    console: CurrentConsole, principal: Viewer, pipeline: str | None = None
) -> ControlsTable:
    """Return everything that is in force, and what has ended of late."""
    followed = console.model.followed()
    topology = followed.topology if followed else None
    installation = console.installation_for(principal)
    return await console.answers.get(
        ("control", pipeline),
        LIVE_SECONDS,
        lambda: read_controls(
            installation, ControlsRequest(pipeline), topology, console.model.in_flight
        ),
    )


@router.get("/{pipeline}/options")
async def options(console: CurrentConsole, principal: Viewer, pipeline: str) -> ControlOptions:
    """Return what can be switched, throttled and flagged."""
    return await control_options(console.installation_for(principal, pipeline))


@router.get("/{pipeline}/stages/{stage}")
async def stage_reports(
    console: CurrentConsole, principal: Viewer, pipeline: str, stage: str
) -> StageReports:
    """Return what the controls of a stage have done."""
    return await console.answers.get(
        ("stage reports", pipeline, stage),
        LIVE_SECONDS,
        lambda: read_stage_reports(console.installation_for(principal, pipeline), stage),
    )


@router.get("/{pipeline}/stages/{stage}/evidence")
async def evidence(
    console: CurrentConsole, principal: Viewer, pipeline: str, stage: str
) -> list[EvidencePoint]:
    """Return how the evidence of a stage's canary has grown, as far as it is known."""
    return await read_evidence(console.installation_for(principal, pipeline), stage)


@router.get("/{pipeline}/drain")
async def drain_state(console: CurrentConsole, principal: Viewer, pipeline: str) -> DrainState:
    """Return how far a pipeline is drained, and what hinders it."""
    return await read_drain(console.installation_for(principal, pipeline), pipeline)


@router.post("/{pipeline}/switch")
async def set_switch(
    console: CurrentConsole, principal: Operator, pipeline: str, body: SwitchBody
) -> SwitchResult:
    """Switch a stage, or the whole pipeline; to `on` to end a switch."""
    request = SwitchRequest(
        body.mode,
        principal.name,
        body.stage,
        body.run,
        body.share,
        until=body.until,
        allow_effects=body.allow_effects,
        comment=body.comment,
        isolated=True,
    )
    return await console.answers.renewed_by(
        switch(console.installation_for(principal, pipeline), request)
    )


@router.post("/{pipeline}/throttle")
async def set_throttle(
    console: CurrentConsole, principal: Operator, pipeline: str, body: ThrottleBody
) -> RateState:
    """Set the rate of a stage, of the roots or of a limit; `file` to end a throttle."""
    request = ThrottleRequest(
        principal.name,
        RateTarget(body.stage, body.limit),
        body.rate,
        body.per_key,
        until=body.until,
        comment=body.comment,
    )
    return await console.answers.renewed_by(
        throttle(console.installation_for(principal, pipeline), request)
    )


@router.post("/{pipeline}/flag")
async def set_one_flag(
    console: CurrentConsole, principal: Operator, pipeline: str, body: FlagBody
) -> FlagResult:
    """Set a flag, or set it back to the default of the file."""
    request = FlagRequest(
        body.flag,
        body.value,
        principal.name,
        body.stage,
        body.share,
        body.when,
        until=body.until,
        comment=body.comment,
    )
    return await console.answers.renewed_by(
        set_flag(console.installation_for(principal, pipeline), request)
    )


@router.post("/{pipeline}/drain")
async def drain(
    console: CurrentConsole, principal: Operator, pipeline: str, body: ControlBody
) -> DrainOrder:
    """Let the roots of a pipeline wait until everything else has gone through."""
    request = DrainRequest(principal.name, pipeline, until=body.until, comment=body.comment)
    return await console.answers.renewed_by(
        order_drain(console.installation_for(principal, pipeline), request)
    )


@router.delete("/{pipeline}/drain")
async def stop_drain(console: CurrentConsole, principal: Operator, pipeline: str) -> DrainEnd:
    """End the drain of a pipeline."""
    return await console.answers.renewed_by(
        end_drain(console.installation_for(principal, pipeline), pipeline)
    )


@router.post("/{pipeline}/restart")
async def restart_processes(
    console: CurrentConsole, principal: Operator, pipeline: str, body: RestartBody
) -> RestartResult:
    """Order every supervisor to restart the processes of a stage."""
    request = RestartRequest(principal.name, body.stage)
    return await console.answers.renewed_by(
        restart(console.installation_for(principal, pipeline), request)
    )
