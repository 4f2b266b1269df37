"""Which pipelines are there, and which versions had each?"""

from __future__ import annotations

from fastapi import APIRouter

from farandole.operations.topology.list_pipelines import PipelineSummary, list_pipelines
from farandole.web.access import Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/pipelines", tags=["pipelines"])


@router.get("")
async def list_all(console: CurrentConsole, principal: Viewer) -> list[PipelineSummary]:
    """Return every published pipeline, by name."""
    return await list_pipelines(console.installation_for(principal))
