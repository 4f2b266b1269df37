"""Which rows wait for a person, and what is decided about them?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from farandole.operations.errors import InvalidRequestError
from farandole.operations.parked.list_parked import ParkedRequest, ParkedRows, list_parked
from farandole.operations.parked.order_parked import (
    OrderRequest,
    OrderResult,
    discard_parked,
    mend_parked,
    release_parked,
)
from farandole.web.access import Operator, Principal, Viewer
from farandole.web.console import CurrentConsole
from farandole.web.recent_answers import LIVE_SECONDS

router = APIRouter(prefix="/parked", tags=["parked rows"])

MAX_NAMED_ROWS = 1_000
OptionalName = Annotated[str | None, Query(max_length=249)]


class OrderBody(BaseModel):
    """Which rows of a stage are meant: some by position, or all that break a check."""

    model_config = ConfigDict(extra="forbid")

    positions: Annotated[list[str], Field(max_length=MAX_NAMED_ROWS)] = []
    """Such as `line.ingested/3/10482`."""
    check: Annotated[str | None, Field(max_length=249)] = None
    until: AwareDatetime | None = None
    """Only rows that waited by then: `at` of the list that was looked at."""

    def request(self, stage: str, principal: Principal) -> OrderRequest:
        """Return the order. Raises InvalidRequestError unless it says which rows are meant."""
        if bool(self.positions) == (self.check is not None):
            raise InvalidRequestError(
                "invalid_request", "say which rows are meant: `positions`, or `check`"
            )
        return OrderRequest(
            stage, principal.name, tuple(self.positions), self.check, until=self.until
        )


class MendBody(OrderBody):
    """How the data of the rows are changed: by a merge patch, or by the whole data of one row."""

    patch: Annotated[str, Field(max_length=1_000_000)] = ""
    """A merge patch (RFC 7396)."""
    edited: Annotated[str | None, Field(max_length=1_000_000)] = None
    """The data as JSON. What was masked and was not touched is `•••`."""

    def request(self, stage: str, principal: Principal) -> OrderRequest:
        asked = super().request(stage, principal)
        return replace(asked, patch=self.patch, edited=self.edited)


class DiscardBody(OrderBody):
    """Why the rows are discarded."""

    reason: Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]

    def request(self, stage: str, principal: Principal) -> OrderRequest:
        return replace(super().request(stage, principal), reason=self.reason.strip())


@router.get("/{pipeline}")
async def list_rows(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    stage: OptionalName = None,
    check: OptionalName = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ParkedRows:
    """Return the rows that wait for a person, those of each stage that have waited longest first;
    what may be personal is masked."""
    request = ParkedRequest(stage, limit, check)
    return await console.answers.get(
        (pipeline, request),
        LIVE_SECONDS,
        lambda: list_parked(console.installation_for(principal, pipeline), request),
    )


@router.post("/{pipeline}/{stage}/release")
async def release(
    console: CurrentConsole, principal: Operator, pipeline: str, stage: str, body: OrderBody
) -> OrderResult:
    """Let the function get the rows, without asking their checks again."""
    installation = console.installation_for(principal, pipeline)
    request = body.request(stage, principal)
    return await console.answers.renewed_by(release_parked(installation, request))


@router.post("/{pipeline}/{stage}/mend")
async def mend(
    console: CurrentConsole, principal: Operator, pipeline: str, stage: str, body: MendBody
) -> OrderResult:
    """Change the data of the rows, which are judged again. If the stage does not take what becomes
    of one of them, no order is given (`unfit_value`)."""
    installation = console.installation_for(principal, pipeline)
    request = body.request(stage, principal)
    return await console.answers.renewed_by(mend_parked(installation, request))


@router.post("/{pipeline}/{stage}/discard")
async def discard(
    console: CurrentConsole, principal: Operator, pipeline: str, stage: str, body: DiscardBody
) -> OrderResult:
    """Let the rows become dead letters that are settled already."""
    installation = console.installation_for(principal, pipeline)
    request = body.request(stage, principal)
    return await console.answers.renewed_by(discard_parked(installation, request))
