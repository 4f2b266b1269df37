"""How is the rate of a stage, of a pipeline's roots or of a limit changed?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from farandole.catalog.active_stages import active_stages
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.control_problems import problem_text
from farandole.events.controls_in_force import TimedDocument
from farandole.events.rate import rate_at
from farandole.events.throttle_document import AS_FILE, OFF, RateTarget, ThrottleDocument
from farandole.events.throttles_in_force import RateInForce, rate_in_force
from farandole.operations.control.control_change import put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.control.expiry import expiry
from farandole.operations.errors import InvalidRequestError, RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

TargetKind = Literal["stage", "roots", "limit"]


@dataclass(frozen=True, slots=True)
class ThrottleRequest:
    """The rate that a target is to have, for how long, and who asks for it."""

    by: str
    target: RateTarget
    rate: str | None = None
    """A rate, `off` for no limit, `file` for that of the file; None to leave it as in the file."""
    per_key: str | None = None
    """As `rate`, for each key of a stage."""
    duration: timedelta | None = None
    comment: str = ""
    until: datetime | None = None
    """Instead of `duration`. With neither: until somebody sets another one."""


class RateState(Result):
    """The rates that are in force for a target."""

    kind: TargetKind
    target: str
    """The stage, the pipeline, or the limit."""
    rate: str | None
    """As a person writes it; None for no limit."""
    per_key: str | None
    per_second: float | None
    """What `rate` allows at this moment; None for no limit."""
    generation: int | None
    """The offset of the document that decides; None if the file does."""
    since: datetime | None
    until: datetime | None
    by: str
    file_rate: str | None
    """What the file says; None for no limit."""
    file_per_key: str | None
    comment: str = ""


@operation
@recorded("throttle", lambda request: request.target.limit or request.target.stage)
async def throttle(installation: Installation, request: ThrottleRequest) -> RateState:
    """Set the rate of a target by a control document, and return what is in force now. Raises
    InvalidRequestError, NotFoundError (`unknown_stage`, `unknown_limit`, `nothing_applied`),
    RefusedError (`unfit_throttle`) and UnavailableError."""
    pipeline = await installation.require_pipeline()
    versions = await installation.versions()
    _require_target(request.target, versions)
    in_file = rate_in_force([], pipeline, request.target, versions, datetime.now(UTC))
    document = _document(pipeline, request, in_file)
    documents = await read_control_state(installation.settings)
    generation = await put_control(installation, document, documents)
    now = datetime.now(UTC)
    written = TimedDocument(document, now, generation)
    return rate_state(
        pipeline,
        request.target,
        rate_in_force([written], pipeline, request.target, versions, now),
        in_file,
        now,
    )


def rate_state(
    pipeline: str, target: RateTarget, found: RateInForce, in_file: RateInForce, now: datetime
) -> RateState:
    """Return the rates of a target as a result."""
    kind: TargetKind = "limit" if target.limit else "stage" if target.stage else "roots"
    return RateState(
        kind=kind,
        target=target.limit or target.stage or pipeline,
        rate=_text(found.rule),
        per_key=_text(found.per_key),
        per_second=None
        if found.rule is None
        else rate_at(found.rule, now.timestamp(), found.begun),
        generation=found.generation,
        since=found.since,
        until=found.until,
        by=found.by,
        file_rate=_text(in_file.rule),
        file_per_key=_text(in_file.per_key),
        comment=found.comment,
    )


def _text(rate: object) -> str | None:
    return None if rate is None else str(rate)


def _require_target(target: RateTarget, versions: VersionsByNumber) -> None:
    newest = versions[max(versions)]
    if target.limit:
        if not newest.limits:
            raise RefusedError(
                "unfit_throttle",
                f"{newest.name} has no limits; add `limits:` to the file and apply it",
            )
        require_known(target.limit, newest.limits, "limit", "unknown_limit")
    elif target.stage:
        stages = active_stages(versions)
        require_known(target.stage, stages, "stage")
        if stages[target.stage].stage.external:
            raise RefusedError(
                "unfit_throttle",
                f"a program of yours works the stage {target.stage!r}: it takes events as fast as"
                " it likes; put a stage of ours before it and throttle that one",
                stage=target.stage,
            )


def _document(pipeline: str, request: ThrottleRequest, in_file: RateInForce) -> ThrottleDocument:
    """Return the document. `off` where the file has no limit either is written as `file`, so that
    it does not hide what a later file says. Raises InvalidRequestError."""
    rate, per_key = request.rate, request.per_key
    if rate == OFF and in_file.rule is None:
        rate = AS_FILE
    if per_key == OFF and in_file.per_key is None:
        per_key = AS_FILE
    until = expiry(request.duration, request.until)
    try:
        return ThrottleDocument.model_validate(
            {
                "pipeline": pipeline,
                "stage": request.target.stage,
                "limit": request.target.limit,
                "rate": rate,
                "per_key": per_key,
                "until": until,
                "by": request.by,
                "comment": request.comment,
            }
        )
    except ValidationError as error:
        raise InvalidRequestError("invalid_request", problem_text(error)) from None
