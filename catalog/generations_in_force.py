"""Which control documents change how a stage works now?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from farandole.catalog.control_misfits import mode_misfit
from farandole.events.control_generations import generation_name, united_generations
from farandole.events.controls_in_force import (
    TimedDocument,
    drain_in_force,
    newest_switch,
    stage_mode,
)
from farandole.events.rate import Ramp
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import RateTarget, ThrottleDocument
from farandole.events.throttles_in_force import (
    RateInForce,
    Versions,
    newest_throttles,
    rate_in_force,
)


def generations_in_force(
    documents: Sequence[TimedDocument],
    pipeline: str,
    stage: str,
    versions: Versions,
    now: datetime,
) -> list[str]:
    """Return the names of these documents, the oldest first, but for those of flags: of them only
    those count that functions read. `documents`: those of the pipeline, in the order of the log."""
    return united_generations(
        _of_switches(documents, pipeline, stage, versions, now),
        _of_throttles(documents, pipeline, stage, versions, now),
    )


def _of_switches(
    documents: Sequence[TimedDocument],
    pipeline: str,
    stage: str,
    versions: Versions,
    now: datetime,
) -> Iterator[str]:
    mode = stage_mode(documents, pipeline, stage, now)
    if (
        mode.generation is not None
        and mode.mode != "on"
        and (mode.of_pipeline or _fits(documents, pipeline, stage, versions))
    ):
        yield generation_name("switch", f"{stage}={mode.mode}", mode.generation)
    drain = drain_in_force(documents, pipeline, now)
    if drain is not None:
        yield generation_name("drain", "", drain.generation)


def _fits(
    documents: Sequence[TimedDocument], pipeline: str, stage: str, versions: Versions
) -> bool:
    """Return True unless the stage cannot have the mode that its switch says."""
    newest = newest_switch(documents, pipeline, stage)
    having = [number for number, version in versions.items() if stage in version.stages]
    if newest is None or not isinstance(newest.control, SwitchDocument) or not having:
        return True
    return mode_misfit(versions[max(having)], newest.control) is None


def _of_throttles(
    documents: Sequence[TimedDocument],
    pipeline: str,
    stage: str,
    versions: Versions,
    now: datetime,
) -> Iterator[str]:
    for control, _, generation, _ in newest_throttles(documents):
        if not isinstance(control, ThrottleDocument) or control.pipeline != pipeline:
            continue
        target = control.target
        if target.limit:
            concerns = any(target.limit in version.limits for version in versions.values())
        else:
            concerns = target.stage in ("", stage)
        if concerns and _changes_rate(documents, pipeline, target, versions, now):
            kind = "limit" if target.limit else "throttle"
            yield generation_name(kind, target.limit or target.stage, generation)


def _changes_rate(
    documents: Sequence[TimedDocument],
    pipeline: str,
    target: RateTarget,
    versions: Versions,
    now: datetime,
) -> bool:
    """Return True if the rates are not those of the file, or its ramp has begun anew."""
    found = rate_in_force(documents, pipeline, target, versions, now)
    in_file = rate_in_force((), pipeline, target, versions, now)
    return _rates(found) != _rates(in_file)


def _rates(found: RateInForce) -> tuple[object, ...]:
    is_ramp = found.rule is not None and isinstance(found.rule.limit, Ramp)
    return found.rule, found.per_key, found.begun if is_ramp else None
