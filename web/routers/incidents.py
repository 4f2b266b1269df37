"""Which incidents are there, and who has been told?"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farandole.operations.incidents.incident_list import (
    IncidentDetail,
    IncidentList,
    IncidentListRequest,
    describe_incident,
    list_incident_summaries,
)
from farandole.operations.incidents.incidents import (
    AcknowledgeRequest,
    AcknowledgeResult,
    MuteRequest,
    MuteResult,
    acknowledge,
    mute,
)
from farandole.web.access import Operator, Viewer
from farandole.web.console import CurrentConsole
from farandole.web.recent_answers import LIVE_SECONDS

router = APIRouter(prefix="/incidents", tags=["incidents"])

_MAX_MINUTES = 366 * 24 * 60


class Note(BaseModel):
    """What somebody notes about a deed."""

    comment: Annotated[str, Field(max_length=1_000)] = ""


class Mute(Note):
    """For how long nothing is sent."""

    minutes: Annotated[int, Field(ge=0, le=_MAX_MINUTES)]
    """0: send again from now on."""
    whole_stage: bool = False
    """True for all failures and alerts of the incident's stage."""


@router.get("")
async def list_incidents(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str | None = None,
    since: Annotated[int, Field(ge=0, lt=2**47)] | None = None,
) -> IncidentList:
    """Return the incidents by what they need, of all pipelines unless one is named. `since`: none
    that was resolved before, in milliseconds of the epoch."""
    request = IncidentListRequest(pipeline, since)
    return await console.answers.get(
        request,
        LIVE_SECONDS,
        lambda: list_incident_summaries(console.installation_for(principal), request),
    )


@router.get("/{incident}")
async def show_incident(
    console: CurrentConsole, principal: Viewer, incident: str
) -> IncidentDetail:
    """Return all that is known about an incident."""
    return await describe_incident(console.installation_for(principal), incident)


@router.post("/{incident}/acknowledge")
async def acknowledge_incident(
    console: CurrentConsole, principal: Operator, incident: str, body: Note
) -> AcknowledgeResult:
    """Tell the others that you take care of an incident: no more digests of it are sent."""
    request = AcknowledgeRequest(incident, principal.name, body.comment.strip())
    return await console.answers.renewed_by(
        acknowledge(console.installation_for(principal), request)
    )


@router.post("/{incident}/mute")
async def mute_incident(
    console: CurrentConsole, principal: Operator, incident: str, body: Mute
) -> MuteResult:
    """Send nothing about an incident, or about all of its stage, for a while. Failures are still
    counted, and are told afterwards."""
    installation = console.installation_for(principal)
    target = incident
    if body.whole_stage:
        found = await describe_incident(installation, incident)
        installation, target = console.installation_for(principal, found.pipeline), found.stage
    request = MuteRequest(
        target, principal.name, timedelta(minutes=body.minutes) or None, body.comment.strip()
    )
    return await console.answers.renewed_by(mute(installation, request))
