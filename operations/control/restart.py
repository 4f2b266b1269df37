"""How are the processes of a stage restarted, wherever they run?"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from farandole.catalog.active_stages import hosted_stages
from farandole.catalog.published_versions import read_versions
from farandole.events.control_documents import RestartDocument
from farandole.operations.control.control_change import put_control
from farandole.operations.errors import operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class RestartRequest:
    """The stage to restart, and who asks for it."""

    by: str
    stage: str | None = None
    """None: every process of the pipeline."""


class RestartResult(Result):
    """The order that was given."""

    target: str
    """The stage, or the pipeline."""
    order: str
    """Its id. Each supervisor executes it once."""


@operation
@recorded("restart", lambda request: request.stage or "")
async def restart(installation: Installation, request: RestartRequest) -> RestartResult:
    """Order every supervisor that runs now to drain the processes of a stage and to start them
    again. Raises NotFoundError (`unknown_stage`, `nothing_applied`) and UnavailableError."""
    pipeline = await installation.require_pipeline()
    stages = hosted_stages(await read_versions(installation.settings, pipeline))
    if request.stage is not None:
        require_known(request.stage, stages, "stage")
    document = RestartDocument(
        pipeline=pipeline, stage=request.stage or "", id=uuid4().hex, by=request.by
    )
    await put_control(installation, document)
    return RestartResult(target=request.stage or pipeline, order=document.id)
