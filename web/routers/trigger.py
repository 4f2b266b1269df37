"""With which data is a run triggered?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farandole.operations.events.root_publisher import PublishedRoot
from farandole.operations.events.trigger_forms import (
    CheckedTriggerRequest,
    DataCheckResult,
    TriggerForms,
    check_trigger,
    read_trigger_forms,
    trigger_checked,
)
from farandole.web.access import Operator, Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/trigger", tags=["trigger"])


class TriggerBody(BaseModel):
    """A root to check or to publish."""

    pipeline: str | None = None
    event_type: str
    data: Annotated[str, Field(max_length=1_000_000)]
    """JSON, as text: so that integers of any size stay as they are written."""
    key: str | None = None

    def request(self) -> CheckedTriggerRequest:
        return CheckedTriggerRequest(self.event_type, self.data, self.key)


@router.get("")
async def forms(
    console: CurrentConsole, principal: Viewer, pipeline: str | None = None
) -> TriggerForms:
    """Return the roots that can be triggered, with the schemas of their data."""
    return await read_trigger_forms(console.installation_for(principal, pipeline))


@router.post("/check")
async def check(body: TriggerBody, console: CurrentConsole, principal: Viewer) -> DataCheckResult:
    """Return what the readers of a root would refuse of its data, and publish nothing."""
    return await check_trigger(console.installation_for(principal, body.pipeline), body.request())


@router.post("")
async def trigger(body: TriggerBody, console: CurrentConsole, principal: Operator) -> PublishedRoot:
    """Publish a root once its readers take its data, and return the run that it opens."""
    return await trigger_checked(console.installation_for(principal, body.pipeline), body.request())
