"""Can a candidate take the place of a stage's function?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.events.topology_version import StageSpec, Version
from farandole.stages.function_loader import (
    StageFunction,
    UnusableFunctionError,
    load_stage_function,
)
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import NoSchemaError, accepted_schema, type_title, written_schema
from farandole.stages.json_schema_compatibility import compare_schemas
from farandole.stages.misfit_text import misfit_summary
from farandole.worker.output_routing import OutputRouter, signature_mismatch


class UnfitCandidateError(Exception):
    """A candidate cannot be called in the place of a stage's function; the message says why."""


def load_candidate(run: str, stage: str, version: Version, *, takes_batch: bool) -> StageFunction:
    """Import a candidate for a stage of the newest version. `takes_batch`: whether the stage's own
    function takes a list. Raises UnfitCandidateError."""
    settings = version.stages[stage]
    try:
        code = load_stage_function(run)
    except UnusableFunctionError as error:
        raise UnfitCandidateError(str(error)) from None
    why = _misfit(run, code.signature, settings, takes_batch) or next(
        _schema_misfits(run, code.signature, stage, version), None
    )
    if why is None:
        try:
            for event_type in settings.subscribes:
                OutputRouter(version, event_type, stage, code.signature, settings)
        except Exception as error:  # noqa: BLE001 -- for example from the model of its parameters
            why = f"{run}: {type(error).__name__}: {error}"
    if why is not None:
        raise UnfitCandidateError(why)
    return code


def _misfit(
    run: str, signature: StageSignature, settings: StageSpec, takes_batch: bool
) -> str | None:
    if signature.takes_batch != takes_batch:
        takes, other = (
            ("a list of events", "one") if signature.takes_batch else ("one event", "a list")
        )
        return f"{run} takes {takes}, and the stage's function takes {other}"
    return signature_mismatch(settings.model_copy(update={"run": run}), signature)


def _schema_misfits(
    run: str, signature: StageSignature, stage: str, version: Version
) -> Iterator[str]:
    """Yield why the candidate cannot read what the stage is sent, or why stages behind it could not
    read what it writes, by the schemas of the newest version."""
    if signature.is_passthrough:
        return
    settings = version.stages[stage]
    try:
        takes = accepted_schema(signature.input_schema)
        writes = [written_schema(schema) for schema in signature.output_schemas]
    except NoSchemaError as error:
        yield f"{run}: one of its types has no JSON Schema ({error})"
        return
    for event_type in settings.subscribes:
        sent = version.events[event_type].data_schema
        if sent and (misfits := compare_schemas(sent, takes)):
            yield (
                f"{run} cannot read {event_type}: it takes {type_title(signature.input_schema)}: "
                f"{misfit_summary(misfits)}"
            )
    if signature.names_outputs or len(writes) != len(settings.emits):
        return  # any of its schemas may be any of the stage's event types
    for event_type, written in zip(settings.emits, writes, strict=True):
        for name in version.subscribers(event_type):
            accepts = version.stages[name].accepts
            if accepts and (misfits := compare_schemas(written, accepts)):
                yield f"{name} could not read the {event_type} of {run}: {misfit_summary(misfits)}"
