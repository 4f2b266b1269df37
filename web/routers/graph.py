"""What does the graph of a pipeline show, and what flows on it now?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from farandole.operations.errors import OperationError
from farandole.operations.events.tail_events import (
    TAIL_SECONDS,
    PreparedTail,
    TailRequest,
    prepare_tail,
    tail_events,
)
from farandole.operations.graph.figures_cache import read_figures, read_lanes
from farandole.operations.graph.pipeline_figures import LaneFigures, PipelineFigures
from farandole.operations.graph.read_graph import GraphRequest, PipelineGraph, read_graph
from farandole.operations.graph.stage_detail import (
    DetailRequest,
    EventDetail,
    StageDetail,
    read_event_detail,
    read_stage_detail,
)
from farandole.operations.installation import Installation
from farandole.operations.read_model.stage_history import StageHistory
from farandole.web.access import Viewer
from farandole.web.console import Console, CurrentConsole

router = APIRouter(prefix="/pipelines/{pipeline}", tags=["graph"])

VersionNumber = Annotated[int | None, Query(ge=1, le=2**31)]


@router.get("/graph")
async def graph(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    version: VersionNumber = None,
    compare: VersionNumber = None,
    run: Annotated[str | None, Query(max_length=64)] = None,
) -> PipelineGraph:
    """Return the stages and edges of one version: of that in force, of `version`, or of the one
    under which `run` runs. With `compare`, each part says how it differs from that version."""
    installation = console.installation_for(principal, pipeline)
    return await read_graph(installation, GraphRequest(version, compare, run))


@router.get("/figures")
async def figures(console: CurrentConsole, principal: Viewer, pipeline: str) -> PipelineFigures:
    """Return what flows, waits and fails on each stage and edge, at most a moment old."""
    return await read_figures(console.installation_for(principal, pipeline), console.figures)


@router.get("/stages/{stage}")
async def stage_detail(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    stage: str,
    version: VersionNumber = None,
) -> StageDetail:
    """Return the code, the data and the settings of a stage."""
    installation = console.installation_for(principal, pipeline)
    return await read_stage_detail(installation, DetailRequest(stage, version))


@router.get("/stages/{stage}/lanes")
async def stage_lanes(
    console: CurrentConsole, principal: Viewer, pipeline: str, stage: str
) -> list[LaneFigures]:
    """Return the lanes of a stage, each with its worker and what it has to read."""
    installation = console.installation_for(principal, pipeline)
    return await read_lanes(installation, console.figures, stage)


@router.get("/stages/{stage}/history")
async def stage_history(
    console: CurrentConsole, principal: Viewer, pipeline: str, stage: str
) -> StageHistory:
    """Return what a stage did in the last ten minutes, by the books."""
    return console.model.stage_history(pipeline, stage)


@router.get("/event-types/{event_type}")
async def event_detail(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    event_type: str,
    version: VersionNumber = None,
) -> EventDetail:
    """Return the topic and the schema of an event type."""
    installation = console.installation_for(principal, pipeline)
    return await read_event_detail(installation, DetailRequest(event_type, version))


class _AskedTail(NamedTuple):
    console: Console
    installation: Installation
    prepared: PreparedTail


async def _asked_tail(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    event_type: str,
    run: Annotated[str | None, Query(max_length=64)] = None,
    where: Annotated[
        str,
        Query(max_length=2_000, description="A CEL expression over `data` and `attributes`."),
    ] = "",
) -> AsyncGenerator[_AskedTail]:
    installation = console.installation_for(principal, pipeline)
    request = TailRequest(event_type, run or None, where)
    with console.tails.place():
        yield _AskedTail(console, installation, await prepare_tail(installation, request))


@router.get("/event-types/{event_type}/tail", response_class=EventSourceResponse)
async def tail(
    asked: Annotated[_AskedTail, Depends(_asked_tail)],
) -> AsyncGenerator[ServerSentEvent]:
    """Tell the events that arrive, from a little before the end on.

    Each `records` event has `events`, and how many were `skipped` because there were too many, and
    `undecided` by the expression. What is personal is masked. A `problem` event says why nothing
    more comes."""
    tails = asked.console.tails
    events = tail_events(
        asked.installation, asked.prepared, lambda: TAIL_SECONDS / max(1, tails.count)
    )
    try:
        with tails.until_closed():
            async with aclosing(events) as batches:
                async for batch in batches:
                    yield ServerSentEvent(raw_data=batch.model_dump_json(), event="records")
    except OperationError as error:
        yield ServerSentEvent(data={"detail": str(error), "code": error.code}, event="problem")
