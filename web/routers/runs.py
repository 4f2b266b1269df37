"""Which runs were there, and how did they end?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from farandole.events.run_row import RUN_STATUSES
from farandole.operations.errors import InvalidRequestError
from farandole.operations.read_model.runs_query import (
    MAX_PAGE,
    RunsOverview,
    RunsPage,
    RunsQuery,
)
from farandole.web.access import Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/runs", tags=["runs"])

FRESH_SECONDS = 0.2
"""For so long all who ask the same get the same answer."""


def _query(
    pipeline: Annotated[str | None, Query(max_length=200)] = None,
    status: Annotated[list[str], Query(description="Whole statuses; none for all.")] = [],  # noqa: B006
    since: Annotated[int | None, Query(description="Opened at or after, in epoch ms.")] = None,
    until: Annotated[int | None, Query(description="Opened before, in epoch ms.")] = None,
    late: bool | None = None,
    version: int | None = None,
    schedule: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[
        str,
        Query(
            max_length=200,
            description="In its id or of what it repeats, pipeline, root, schedule or status.",
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> RunsQuery:
    unknown = [each for each in status if each not in RUN_STATUSES]
    if unknown:
        raise InvalidRequestError(
            "invalid_request",
            f"no run has the status {unknown[0]!r}; there are {', '.join(RUN_STATUSES)}",
        )
    return RunsQuery(
        pipeline=pipeline,
        statuses=frozenset(status),
        since=since,
        until=until,
        late=late,
        version=version,
        schedule=schedule,
        text=q.strip().lower(),
        limit=limit,
        cursor=cursor,
    )


AskedRuns = Annotated[RunsQuery, Depends(_query)]


@router.get("")
async def list_runs(console: CurrentConsole, principal: Viewer, asked: AskedRuns) -> RunsPage:
    """Return a page of runs, the newest first."""
    return await console.answers.get(
        ("runs", asked), FRESH_SECONDS, lambda: console.model.runs(asked)
    )


@router.get("/overview")
async def overview(console: CurrentConsole, principal: Viewer, asked: AskedRuns) -> RunsOverview:
    """Return how many runs there are by status and version, whatever of both is asked for, and how
    long the newest took."""
    return await console.answers.get(
        ("runs overview", asked), FRESH_SECONDS, lambda: console.model.runs_overview(asked)
    )
