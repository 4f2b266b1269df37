"""What is in an event, and what are its causes and effects?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from farandole.operations.actions.reveal import RevealRequest
from farandole.operations.actions.reveal import reveal as record_reveal
from farandole.operations.events.effect_counts import (
    EffectCountsRequest,
    EffectCountsResult,
    count_effects,
)
from farandole.operations.events.show_event import (
    EventRequest,
    EventResult,
    read_value,
    show_event,
)
from farandole.operations.events.trace_rail import RailRequest, RailResult, trace_rail
from farandole.operations.installation import Installation
from farandole.web.access import Viewer, require_reveal
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/events", tags=["events"])


@dataclass(frozen=True, slots=True)
class _Asked:
    """An event that somebody asks for."""

    installation: Installation
    event: str
    reveal: bool


async def _asked(
    console: CurrentConsole,
    principal: Viewer,
    event: Annotated[str, Query(max_length=1_000)],
    pipeline: str | None = None,
    reveal: bool = False,
) -> _Asked:
    """`event`: an id (`line.ingested/3/10482/0`) or a position (`line.ingested/3/10482`)."""
    installation = console.installation_for(principal, pipeline)
    if reveal:
        require_reveal(principal)
        await record_reveal(installation, RevealRequest(event, pipeline or ""))
    return _Asked(installation, event, reveal)


AskedEvent = Annotated[_Asked, Depends(_asked)]


@router.get("/one")
async def show(asked: AskedEvent) -> EventResult:
    """Return one event, by its id or its position."""
    return await show_event(asked.installation, EventRequest(asked.event, asked.reveal))


@router.get("/value", response_class=Response)
async def download(asked: AskedEvent) -> Response:
    """Return the value of an event, whole, as a file."""
    value = await read_value(asked.installation, EventRequest(asked.event, asked.reveal))
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in asked.event)
    return Response(
        value,
        media_type="application/octet-stream",
        headers={
            "content-disposition": f'attachment; filename="{safe[:200]}"',
            "x-content-type-options": "nosniff",
        },
    )


@router.get("/trace")
async def trace(asked: AskedEvent, fold: bool = True) -> RailResult:
    """Return the causes and effects of an event, as a rail from the root down."""
    return await trace_rail(
        asked.installation, RailRequest(asked.event, fold=fold, reveal=asked.reveal)
    )


@router.get("/effects")
async def effects(asked: AskedEvent, console: CurrentConsole) -> EffectCountsResult:
    """Count the direct effects of an event, by stage. This reads topics from the time of the event
    on, for ten seconds at most."""
    return await console.answers.get(
        ("effects", asked.installation.pipeline, asked.event),
        30,
        lambda: count_effects(asked.installation, EffectCountsRequest(asked.event)),
    )
