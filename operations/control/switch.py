"""How is a stage, or a whole pipeline, switched to another mode?"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from farandole.catalog.active_stages import active_stages
from farandole.catalog.control_misfits import mode_misfit
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.control_problems import problem_text
from farandole.events.controls_in_force import MODE_DOCUMENTS
from farandole.events.switch_document import CANDIDATE_MODES, Mode, SwitchDocument
from farandole.events.topology_version import Version
from farandole.operations.control.candidate_check import check_apart, check_here
from farandole.operations.control.control_change import put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.control.expiry import expiry
from farandole.operations.errors import InvalidRequestError, RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

_MAX_COMPARED_SHARE = 0.5
"""The share of a canary up to which enough is known of the stable function."""


@dataclass(frozen=True, slots=True)
class SwitchRequest:
    """The mode that a stage or pipeline is to have, until when, and who asks for it."""

    mode: Mode
    by: str
    stage: str | None = None
    """None: the whole pipeline, which can be on or hold."""
    run: str = ""
    """The candidate, `package.module:function`."""
    share: float | str | None = None
    """The share of the events or keys for which the candidate is called: 0.1, or `10%`."""
    duration: timedelta | None = None
    until: datetime | None = None
    """With neither: until somebody switches it again."""
    allow_effects: bool = False
    comment: str = ""
    isolated: bool = False
    """Whether the candidate is imported in a process of its own: for a process that lives on, and
    would not read a module again."""


class SwitchResult(Result):
    """The switch that was written."""

    target: str
    """The stage, or the pipeline."""
    mode: Mode
    generation: int
    """The offset of its document, by which run rows and reports name it."""
    until: datetime | None
    run: str
    share: float | None
    candidate_checked: bool | None
    """True if the candidate could be imported here and fits the stage; False if it cannot be
    imported here; None for a mode without one."""
    warning: str | None
    """What the switch cannot be relied upon to do."""


@operation
@recorded("switch", lambda request: request.stage or "")
async def switch(installation: Installation, request: SwitchRequest) -> SwitchResult:
    """Switch a stage or the whole pipeline. Raises InvalidRequestError, NotFoundError
    (`unknown_stage`, `nothing_applied`), RefusedError (`unfit_switch`: the stage cannot have the
    mode, or the candidate cannot take its place) and UnavailableError."""
    pipeline = await installation.require_pipeline()
    document = _document(pipeline, request)
    versions = await installation.versions()
    documents = await read_control_state(installation.settings)
    checked = None
    if request.stage is not None:
        switched = {
            each.control.stage
            for each in documents.values()
            if isinstance(each.control, MODE_DOCUMENTS) and each.control.pipeline == pipeline
        }
        spec = _fitting_version(versions, request.stage, document, switched)
        if spec is not None and document.mode in CANDIDATE_MODES:
            check = check_apart if request.isolated else check_here
            checked = await check(installation.folder, spec, request.stage, document.run)
    generation = await put_control(installation, document, documents)
    return SwitchResult(
        target=request.stage or pipeline,
        mode=request.mode,
        generation=generation,
        until=document.until,
        run=document.run,
        share=document.share,
        candidate_checked=checked,
        warning=share_warning(document),
    )


def share_warning(switch: SwitchDocument) -> str | None:
    """Return why the bookkeeper may never end a canary that is worse; None if it will."""
    if switch.mode != "canary" or switch.share is None or switch.share <= _MAX_COMPARED_SHARE:
        return None
    if switch.share >= 1:
        return (
            "nothing is left to compare the candidate with: a canary of 100 % does not end by"
            " itself, however often it fails; take at most 50 % first"
        )
    return (
        f"{switch.share * 100:g} % leaves little to compare the candidate with: the canary may not"
        " end by itself if it fails; take at most 50 % first"
    )


def _document(pipeline: str, request: SwitchRequest) -> SwitchDocument:
    until = expiry(request.duration, request.until)
    try:
        return SwitchDocument.model_validate(
            {
                "pipeline": pipeline,
                "stage": request.stage or "",
                "mode": request.mode,
                "run": request.run,
                "share": request.share,
                "allow_effects": request.allow_effects,
                "until": until,
                "by": request.by,
                "comment": request.comment,
            }
        )
    except ValidationError as error:
        raise InvalidRequestError("invalid_request", problem_text(error)) from None


def _fitting_version(
    versions: VersionsByNumber, stage: str, document: SwitchDocument, switched: Container[str]
) -> Version | None:
    """Return the newest version that has the stage, which can have the mode; None if the document
    clears what another one says of a stage that is gone. Raises NotFoundError and RefusedError."""
    if document.mode == "on" and stage in switched:
        return None
    require_known(stage, active_stages(versions), "stage")
    version = max((v for v in versions.values() if stage in v.stages), key=lambda v: v.version)
    why = mode_misfit(version, document)
    if why is not None:
        raise RefusedError("unfit_switch", why, stage=stage, mode=document.mode)
    return version
