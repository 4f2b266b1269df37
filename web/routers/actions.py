"""Who did what, when, and from where?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from farandole.events.action_record import ACTION_NAMES, ActionOutcome, ActionVia
from farandole.operations.actions.list_actions import ActionsRequest, ActionsResult, list_actions
from farandole.web.access import Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/actions", tags=["actions"])

Text = Annotated[str, Query(max_length=200)]
Milliseconds = Annotated[int | None, Query(ge=0, le=2**53, description="ms of the epoch")]


def _request(
    who: Text = "",
    what: Text = "",
    target: Text = "",
    pipeline: Text = "",
    via: ActionVia | None = None,
    result: ActionOutcome | None = None,
    since: Milliseconds = None,
    until: Milliseconds = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[
        int | None, Query(ge=0, le=2**53, description="`next` of the answer before")
    ] = None,
) -> ActionsRequest:
    return ActionsRequest(who, what, target, pipeline, via, result, since, until, limit, before)


@router.get("")
async def list_all(
    console: CurrentConsole,
    principal: Viewer,
    request: Annotated[ActionsRequest, Depends(_request)],
) -> ActionsResult:
    """Return what people have done, the newest first; `next` continues with `before`."""
    return await list_actions(console.installation_for(principal), request)


@router.get("/names")
async def list_names(principal: Viewer) -> list[str]:
    """Return what can be done, as it is recorded."""
    return [*ACTION_NAMES]
