"""Which services run, and how far behind are they?"""

from __future__ import annotations

from fastapi import APIRouter

from farandole.operations.status.service_states import ServicesResult, list_services
from farandole.web.access import Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/services", tags=["services"])

FRESH_SECONDS = 2.0
"""For so long all who look share what takes some twenty requests to Kafka."""


@router.get("")
async def list_all(console: CurrentConsole, principal: Viewer) -> ServicesResult:
    """Return every service, the workers of each stage, and what routers have said last."""
    return await console.answers.get(
        "services", FRESH_SECONDS, lambda: list_services(console.installation_for(principal))
    )
