"""How is a stage, or a whole pipeline, paused and resumed?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from farandole.catalog.active_stages import active_stages
from farandole.catalog.published_versions import read_versions
from farandole.events.switch_document import SwitchDocument
from farandole.operations.control.control_change import put_control
from farandole.operations.control.control_query import (
    PauseState,
    active_pauses,
    read_control_state,
)
from farandole.operations.errors import operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """The stage or pipeline to pause, until when, and who asks for it."""

    by: str
    stage: str | None = None
    """None: the whole pipeline."""
    duration: timedelta | None = None
    """None: until it is resumed."""
    comment: str = ""


class PauseResult(Result):
    """The paused stage or pipeline."""

    target: str
    """The stage, or the pipeline."""
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """The stage or pipeline to resume, and who asks for it."""

    by: str
    stage: str | None = None
    """None: every stage of the pipeline."""


class ResumeResult(Result):
    """The stages that were resumed."""

    target: str
    """The stage, or the pipeline."""
    resumed: dict[str, PauseState]
    """The pause that has ended, by stage; empty if nothing was paused."""


@operation
@recorded("pause", lambda request: request.stage or "")
async def pause(installation: Installation, request: PauseRequest) -> PauseResult:
    """Pause a stage or the whole pipeline: switch it to hold. Raises NotFoundError
    (`unknown_stage`, `nothing_applied`) and UnavailableError."""
    pipeline = await installation.require_pipeline()
    stages = active_stages(await read_versions(installation.settings, pipeline))
    if request.stage is not None:
        require_known(request.stage, stages, "stage")
    until = datetime.now(UTC) + request.duration if request.duration is not None else None
    document = SwitchDocument(
        pipeline=pipeline,
        stage=request.stage or "",
        mode="hold",
        until=until,
        by=request.by,
        comment=request.comment,
    )
    await put_control(installation, document, await read_control_state(installation.settings))
    return PauseResult(target=request.stage or pipeline, until=until)


@operation
@recorded("resume", lambda request: request.stage or "")
async def resume(installation: Installation, request: ResumeRequest) -> ResumeResult:
    """Resume a stage, also if the whole pipeline was paused; or resume every stage: switch it on.
    Raises as `pause`."""
    settings = installation.settings
    pipeline = await installation.require_pipeline()
    stages = active_stages(await read_versions(settings, pipeline))
    named = None if request.stage is None else require_known(request.stage, stages, "stage")
    meant = [*stages] if named is None else [named]
    documents = await read_control_state(settings)
    paused = active_pauses(documents, pipeline, meant, datetime.now(UTC))
    if paused:
        document = SwitchDocument(
            pipeline=pipeline, stage=request.stage or "", mode="on", by=request.by
        )
        await put_control(installation, document, documents)
    return ResumeResult(target=request.stage or pipeline, resumed=paused)
