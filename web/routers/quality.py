"""What do the data look like, which checks have failed, and how good are they?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from farandole.events.anomaly_document import IgnoredNumbers
from farandole.operations.quality.check_results import ChecksRequest, ChecksResult, show_checks
from farandole.operations.quality.contract_file import contract_text
from farandole.operations.quality.expect_anomaly import (
    ExpectRequest,
    ExpectResult,
    expect_anomaly,
)
from farandole.operations.quality.export_contract import (
    FIRST_VERSION,
    PublishedContractRequest,
    published_contract,
)
from farandole.operations.quality.ignore_numbers import (
    IgnoreRequest,
    IgnoreResult,
    ignore_numbers,
    tell_again,
)
from farandole.operations.quality.quality_score import (
    QualityRequest,
    QualityResult,
    show_quality,
)
from farandole.operations.quality.show_anomaly import (
    AnomalyDetail,
    AnomalyRequest,
    show_anomaly,
)
from farandole.operations.quality.show_profile import (
    ProfileRequest,
    ProfileResult,
    show_profile,
)
from farandole.web.access import Operator, Viewer
from farandole.web.console import CurrentConsole
from farandole.web.recent_answers import LIVE_SECONDS

router = APIRouter(prefix="/quality", tags=["quality"])

Name = Annotated[str, Query(max_length=249)]
OptionalName = Annotated[str | None, Query(max_length=249)]
CONTRACT_TYPE = "application/yaml"
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class ExpectBody(BaseModel):
    """Why something unusual is normal."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class NumbersBody(BaseModel):
    """Which numbers about runs are meant: those that have all of the names that are given."""

    model_config = ConfigDict(extra="forbid")

    edge: Annotated[str, Field(max_length=300)] = ""
    """The event type, or `event type>stage`; empty for numbers about the run as a whole."""
    column: Annotated[str, Field(max_length=300)] = ""
    statistic: Annotated[str, Field(max_length=300)] = ""

    @property
    def numbers(self) -> IgnoredNumbers:
        return IgnoredNumbers(self.edge, self.column, self.statistic)


class IgnoreBody(NumbersBody):
    """Why they are not told, and until when."""

    reason: Reason
    until: AwareDatetime | None = None
    """None: until somebody lets them be told again."""


@router.get("/scores")
async def list_scores(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: OptionalName = None,
    event: OptionalName = None,
    limit: Annotated[int, Query(ge=1, le=400)] = 30,
) -> QualityResult:
    """Return the score of each event type that is profiled, over its last runs or windows."""
    request = QualityRequest(pipeline, event, limit)
    return await console.answers.get(
        request,
        LIVE_SECONDS,
        lambda: show_quality(console.installation_for(principal), request),
    )


@router.get("/checks")
async def list_checks(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: OptionalName = None,
    run: OptionalName = None,
    event: OptionalName = None,
) -> ChecksResult:
    """Return what the checks have found in one run, or the newest verdict of each check."""
    request = ChecksRequest(run, pipeline, event)
    return await console.answers.get(
        request,
        LIVE_SECONDS,
        lambda: show_checks(console.installation_for(principal), request),
    )


@router.get("/profile")
async def read_profile(
    console: CurrentConsole,
    principal: Viewer,
    target: Name,
    pipeline: OptionalName = None,
    event: OptionalName = None,
    against: OptionalName = None,
    column: OptionalName = None,
) -> ProfileResult:
    """Return the profiles of the data of a run, or the newest one of an event type."""
    request = ProfileRequest(target, pipeline, event, against, column)
    return await console.answers.get(
        request,
        LIVE_SECONDS,
        lambda: show_profile(console.installation_for(principal), request),
    )


@router.get(
    "/{pipeline}/contract",
    response_class=Response,
    responses={200: {"content": {CONTRACT_TYPE: {"schema": {"type": "string"}}}}},
)
async def read_contract(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    event: Name,
    contract_version: Annotated[str, Query(min_length=1, max_length=100)] = FIRST_VERSION,
) -> Response:
    """Return the data contract of an event type of the version in force (Open Data Contract
    Standard), as a YAML file."""
    request = PublishedContractRequest(event, contract_version)
    contract = await published_contract(console.installation_for(principal, pipeline), request)
    # The name is that of an event type: letters, digits, dots, hyphens and underscores.
    return Response(
        contract_text(contract),
        media_type=CONTRACT_TYPE,
        headers={"content-disposition": f'attachment; filename="{contract["id"]}.odcs.yaml"'},
    )


@router.get("/{pipeline}/anomalies/{anomaly}")
async def read_anomaly(
    console: CurrentConsole, principal: Viewer, pipeline: str, anomaly: str
) -> AnomalyDetail:
    """Return all that is known of something unusual: the number in the last runs, which values
    changed most, and what happened at the same time."""
    request = AnomalyRequest(anomaly, pipeline)
    return await console.answers.get(
        request,
        LIVE_SECONDS,
        lambda: show_anomaly(console.installation_for(principal), request),
    )


@router.post("/{pipeline}/anomalies/{anomaly}/expect")
async def expect(
    console: CurrentConsole, principal: Operator, pipeline: str, anomaly: str, body: ExpectBody
) -> ExpectResult:
    """Take something unusual as normal: what was measured is learnt, and its incident is over."""
    request = ExpectRequest(anomaly, principal.name, body.reason)
    return await console.answers.renewed_by(
        expect_anomaly(console.installation_for(principal, pipeline), request)
    )


@router.post("/{pipeline}/ignored")
async def ignore(
    console: CurrentConsole, principal: Operator, pipeline: str, body: IgnoreBody
) -> IgnoreResult:
    """Let some numbers about runs not be told: they are learnt as before."""
    request = IgnoreRequest(body.numbers, principal.name, body.reason, until=body.until)
    return await console.answers.renewed_by(
        ignore_numbers(console.installation_for(principal, pipeline), request)
    )


@router.delete("/{pipeline}/ignored")
async def stop_ignoring(
    console: CurrentConsole, principal: Operator, pipeline: str, body: NumbersBody
) -> IgnoreResult:
    """Let numbers be told again that were ignored."""
    request = IgnoreRequest(body.numbers, principal.name)
    return await console.answers.renewed_by(
        tell_again(console.installation_for(principal, pipeline), request)
    )
