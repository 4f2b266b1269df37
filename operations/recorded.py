"""Which operations are recorded in `farandole.actions`, and how?

`@recorded` stands between `@operation` and a function that writes. It records when the deed has
ended, also one that was refused or has failed. What was done is never reported as failed because
its record could not be written: then a line in the log says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial, wraps
from secrets import token_hex
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import with_deadline
from farandole.events.action_record import ActionOutcome, ActionRecord
from farandole.operations.action_writer import MissingActionsTopicError, write_action
from farandole.operations.deed import Deed
from farandole.operations.errors import OperationError, UnavailableError, translate_error
from farandole.operations.installation import Installation

P = ParamSpec("P")
T = TypeVar("T")

RECORDED = "recorded_as"
"""The attribute of a recorded function that has the name of its deed."""
MAX_TEXT_LENGTH = 1_000  # characters of a reason or a target
WRITE_SECONDS = 5.0  # how long a command waits for its record
_UNREACHED = frozenset({"broker_unreachable", "settings_invalid", "access_denied"})
"""Errors after which Kafka is not asked for once more: the record would fail as the deed did."""

log = structlog.get_logger()


def recorded(
    what: str, target: Callable[[Any], str] = lambda _: "", *, required: bool = False
) -> Callable[
    [Callable[Concatenate[Installation, P], Awaitable[T]]],
    Callable[Concatenate[Installation, P], Coroutine[Any, Any, T]],
]:
    """Decorate a coroutine function that writes. `what`: one of ACTION_NAMES. `target` returns
    what the deed is done to from the request, the function's second argument. The request may have
    `by`, and `comment` or `reason`; the function says the rest by `installation.deed`. `required`:
    a deed that must not be done without its record, and then changes nothing but that."""

    def decorate(
        function: Callable[Concatenate[Installation, P], Awaitable[T]],
    ) -> Callable[Concatenate[Installation, P], Coroutine[Any, Any, T]]:
        @wraps(function)
        async def wrapper(installation: Installation, /, *args: P.args, **kwargs: P.kwargs) -> T:
            request = next(iter([*args, *kwargs.values()]), None)
            deed = Deed(
                target(request),
                pipeline=str(getattr(request, "pipeline", None) or ""),
                reason=_reason(request),
            )
            by = str(getattr(request, "by", ""))
            try:
                result = await function(replace(installation, deed=deed), *args, **kwargs)
            except BaseException as error:
                outcome, code = _outcome(error)
                if code not in _UNREACHED:
                    await _forgiven(what, _record(installation, what, deed, by, outcome, code))
                raise
            recording = partial(_record, installation, what, deed, by, "ok", "")
            await (recording() if required else _forgiven(what, recording()))
            return result

        setattr(wrapper, RECORDED, what)
        return wrapper

    return decorate


async def record_done(installation: Installation, what: str, by: str) -> None:
    """Record something that was done without an operation, as `installation.deed` says. If it
    cannot be recorded, that is only logged."""
    await _forgiven(what, _record(installation, what, installation.deed, by, "ok", ""))


async def record_refused(
    installation: Installation, what: str, target: str, request: object, error: OperationError
) -> None:
    """Record a deed that was refused before its operation began, with `by` and the reason of
    `request`. If it cannot be recorded, that is only logged."""
    deed = Deed(target, pipeline=installation.pipeline or "", reason=_reason(request))
    by = str(getattr(request, "by", ""))
    await _forgiven(what, _record(installation, what, deed, by, "refused", error.code))


async def _record(
    installation: Installation,
    what: str,
    deed: Deed,
    by: str,
    outcome: ActionOutcome,
    code: str,
) -> None:
    """Write the record of a deed. Raises BrokerError."""
    if deed.only_looked:
        return
    actor = installation.actor
    action = ActionRecord(
        id=token_hex(8),
        at=datetime.now(UTC),
        who=actor.name,
        role=actor.role,
        via=actor.via,
        origin=actor.origin,
        what=what,
        target=deed.target[:MAX_TEXT_LENGTH],
        pipeline=deed.pipeline or await _pipeline(installation),
        by=by if by != actor.name else "",
        reason=deed.reason[:MAX_TEXT_LENGTH],
        before=deed.before,
        after=deed.after,
        result=outcome,
        code=code,
    )
    try:
        await with_deadline(
            write_action(installation.settings, action), WRITE_SECONDS, "recording what was done"
        )
    except MissingActionsTopicError:
        if outcome == "ok":  # nothing can be refused that did not reach the installation
            raise


async def _forgiven(what: str, recording: Awaitable[None]) -> None:
    """Only log that a record could not be written."""
    try:
        await recording
    except BrokerError as error:
        log.warning(
            "action.unrecorded",
            what=what,
            why=str(error),
            remedy="what was done is done; only its record in farandole.actions is missing",
        )


async def _pipeline(installation: Installation) -> str:
    """Return the pipeline's name; "" if it cannot be had."""
    try:
        return await installation.require_pipeline()
    except (OperationError, BrokerError):
        return ""


def _outcome(error: BaseException) -> tuple[ActionOutcome, str]:
    """Return what became of a deed that has raised an error, and the code."""
    if not isinstance(error, Exception):
        return "failed", "interrupted"
    translated = translate_error(error)
    if translated is None:
        return "failed", type(error).__name__
    return "failed" if isinstance(translated, UnavailableError) else "refused", translated.code


def _reason(request: object) -> str:
    return str(getattr(request, "comment", "") or getattr(request, "reason", "") or "")
