"""How is a flag of a running pipeline set, and set back?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from farandole.events.control_problems import problem_text
from farandole.events.feature_flags import FlagValueError, parse_flag_text
from farandole.events.flag_document import FlagDocument, flag_misfit
from farandole.events.topology_version import Version
from farandole.operations.control.control_change import put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.control.expiry import expiry
from farandole.operations.errors import InvalidRequestError, RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.stages.cel_expression import compile_attribute_condition


@dataclass(frozen=True, slots=True)
class FlagRequest:
    """The value that a flag is to have, for which events, until when, and who asks for it."""

    flag: str
    value: str | None
    """As on a command line: JSON or, for a flag of type `text`, the text itself. None: the default
    of the file, for all events."""
    by: str
    stage: str = ""
    share: float | str | None = None
    """0.05, or `5%`."""
    when: str = ""
    duration: timedelta | None = None
    until: datetime | None = None
    """With neither: until somebody sets it again."""
    comment: str = ""


class FlagResult(Result):
    """The document that was written."""

    flag: str
    cleared: bool
    value: Any
    """None if the flag was cleared."""
    stage: str
    share: float | None
    when: str
    until: datetime | None
    default: Any
    """The value where the document does not fit."""
    generation: int
    """The offset of the document, by which reports name it."""
    list_stages: list[str]
    """The stages whose functions take lists, if the rule depends on the event: there
    `context.events[i].flag` reads it, and `context.flag` does not."""


@operation
@recorded("flag", lambda request: request.flag)
async def set_flag(installation: Installation, request: FlagRequest) -> FlagResult:
    """Set a flag, or clear it. Raises InvalidRequestError, NotFoundError (`unknown_flag`,
    `unknown_stage`, `nothing_applied`), RefusedError (`unfit_value`: a value of another type, or a
    condition that is none) and UnavailableError."""
    version = await installation.newest_version()
    document = _document(version, request)
    documents = await read_control_state(installation.settings)
    generation = await put_control(installation, document, documents)
    return FlagResult(
        flag=request.flag,
        cleared=document.clear,
        value=document.value,
        stage=document.stage,
        share=document.share,
        when=document.when,
        until=document.until,
        default=version.flags[request.flag].default,
        generation=generation,
        list_stages=_list_stages(version, document),
    )


def _list_stages(version: Version, document: FlagDocument) -> list[str]:
    if document.share is None and not document.when:
        return []
    return [
        name
        for name, stage in version.stages.items()
        if stage.takes_batch and document.stage in ("", name)
    ]


def _document(version: Version, request: FlagRequest) -> FlagDocument:
    spec = version.flags[require_known(request.flag, version.flags, "flag", "unknown_flag")]
    if request.stage:
        require_known(request.stage, version.stages, "stage")
    fields: dict[str, Any] = {
        "pipeline": version.pipeline,
        "flag": request.flag,
        "by": request.by,
    }
    if request.comment:
        fields["comment"] = request.comment
    until = expiry(request.duration, request.until)
    if until is not None:
        fields["until"] = until
    if request.value is None:
        fields["clear"] = True
    else:
        try:
            fields["value"] = parse_flag_text(spec.type, request.value)
        except FlagValueError as error:
            raise _unfit(request, f"the flag {request.flag!r}: {error}") from None
    conditions = {"stage": request.stage, "share": request.share, "when": request.when}
    fields |= {name: each for name, each in conditions.items() if each not in ("", None)}
    try:
        document = FlagDocument.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequestError("invalid_request", problem_text(error)) from None
    problem = flag_misfit(document, spec, version.stages, compile_attribute_condition)
    if problem is not None:
        raise _unfit(request, problem)
    return document


def _unfit(request: FlagRequest, problem: str) -> RefusedError:
    return RefusedError("unfit_value", problem, flag=request.flag)
