"""Which control documents fit no version, and which switches has somebody ended?"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.catalog.active_stages import ActiveStage, active_stages
from farandole.catalog.stage_bypass import bypass_obstacle
from farandole.events.anomaly_document import ExpectDocument, IgnoreDocument
from farandole.events.control_documents import PauseDocument
from farandole.events.controls_in_force import (
    TimedDocument,
    end_of_switch,
    is_expired,
    newest_of_each,
    newest_switches,
    oldest_of_each,
)
from farandole.events.drain_document import DrainDocument
from farandole.events.flag_document import FlagDocument, flag_misfit
from farandole.events.safe_text import short_line
from farandole.events.schedule_document import BackfillDocument, FireDocument, ScheduleDocument
from farandole.events.schedules_in_force import schedule_decider, schedule_documents
from farandole.events.switch_document import CANDIDATE_MODES, EndSwitchDocument, SwitchDocument
from farandole.events.throttle_document import AS_FILE, OFF, ThrottleDocument
from farandole.events.throttles_in_force import newest_throttles
from farandole.events.topology_version import Version
from farandole.stages.cel_expression import compile_attribute_condition

UNFIT_ORDER_LIFETIME = timedelta(days=1)
"""For how long an order is said to fit nothing: it is executed, or not, as it is written."""

Pipelines = Mapping[str, Sequence[Version]]
"""By pipeline, its versions that are not retired, oldest first."""


class ControlMisfit(NamedTuple):
    """A document that changes nothing, because what it names does not exist or cannot do it."""

    document: TimedDocument
    pipeline: str
    stage: str
    """Empty for the whole pipeline."""
    known_stage: str | None
    """The stage, if a version has it."""
    why: str


class EndedSwitch(NamedTuple):
    """The newest switch of a stage, and the document that says that it is over."""

    document: TimedDocument
    switch: SwitchDocument
    ended: TimedDocument
    end: EndSwitchDocument


def active_versions(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Return the versions that are not retired by pipeline, oldest first."""
    found: dict[str, list[Version]] = {}
    for version in sorted(versions, key=lambda each: each.version):
        if version.retired is None:
            found.setdefault(version.pipeline, []).append(version)
    return found


def control_misfits(
    documents: Sequence[TimedDocument],
    pipelines: Pipelines,
    now: datetime,
    unknown: Container[str] = (),
) -> Iterator[ControlMisfit]:
    """Yield the documents that would be in force now and do not fit the versions. A document that
    only lifts another is not one of them: nothing is missing without it. `unknown`: the pipelines
    whose versions this release cannot read; under the empty name: all of them."""
    if "" in unknown:
        return
    ends = _ends(documents)
    for each in newest_switches(documents):
        control = each.control
        if not isinstance(control, SwitchDocument | PauseDocument) or is_expired(control, now):
            continue
        if control.pipeline in unknown or end_of_switch(each, ends) is not None:
            continue
        why = _switch_misfit(control, pipelines)
        if why is not None:
            yield _misfit(each, control.pipeline, control.stage, why, pipelines)
    flags_and_drains = newest_of_each(documents, FlagDocument, DrainDocument)
    for each in (*newest_throttles(documents), *flags_and_drains):
        other = each.control
        if (
            not isinstance(other, ThrottleDocument | FlagDocument | DrainDocument)
            or other.pipeline in unknown
            or is_expired(other, now)
        ):
            continue
        stage = ""
        if isinstance(other, ThrottleDocument):
            stage, why = other.stage, throttle_misfit(other, pipelines)
        elif isinstance(other, FlagDocument):
            why = _flag_misfit(other, pipelines)
        else:
            why = _pipeline_misfit(other.pipeline, pipelines)
        if why is not None:
            yield _misfit(each, other.pipeline, stage, why, pipelines)
    for misfit in (
        *_unfit_pauses(documents, pipelines, now),
        *_unfit_orders(documents, pipelines, now),
        *_unfit_of_data(documents, pipelines, now),
    ):
        if misfit.pipeline not in unknown:
            yield misfit


_ORDERS = (FireDocument, BackfillDocument)


def _order(document: TimedDocument) -> FireDocument | BackfillDocument:
    assert isinstance(document.control, _ORDERS)
    return document.control


def _unfit_pauses(
    documents: Sequence[TimedDocument], pipelines: Pipelines, now: datetime
) -> Iterator[ControlMisfit]:
    newest = schedule_documents(documents)
    for (pipeline, schedule), each in newest.items():
        control = each.control
        assert isinstance(control, ScheduleDocument)
        # What a newer one of the whole pipeline has replaced is not in force.
        if not control.paused or schedule_decider(newest, pipeline, schedule, now) is not each:
            continue
        why = _pipeline_misfit(pipeline, pipelines)
        if why is None and schedule and (missing := _missing_schedule(control, pipelines)):
            why = f"{missing}; `schedules resume {schedule}` deletes it"
        if why is not None:
            yield _misfit(each, pipeline, "", why, pipelines)


def _unfit_orders(
    documents: Sequence[TimedDocument], pipelines: Pipelines, now: datetime
) -> Iterator[ControlMisfit]:
    first_of = {_order(each).subject: each for each in oldest_of_each(documents, *_ORDERS)}
    for each in newest_of_each(documents, *_ORDERS):
        order, first = _order(each), first_of[_order(each).subject]
        if now - each.at > UNFIT_ORDER_LIFETIME:
            continue
        why = _pipeline_misfit(order.pipeline, pipelines)
        # What was ordered before the newest version is executed, or not, by the one before it.
        if why is None and each.at >= pipelines[order.pipeline][-1].published:
            why = _missing_schedule(order, pipelines)
        if why is None and order != _order(first):
            key = first.key.decode(errors="backslashreplace")
            why = f"the document {key} is an order with the same id; each needs one of its own"
        if why is not None:
            yield _misfit(each, order.pipeline, "", why, pipelines)


def _unfit_of_data(
    documents: Sequence[TimedDocument], pipelines: Pipelines, now: datetime
) -> Iterator[ControlMisfit]:
    """Yield the documents about unusual data of pipelines whose data nobody looks at. Whether there
    is what the others name, only the lane that compares the runs knows."""
    for each in newest_of_each(documents, ExpectDocument, IgnoreDocument):
        control = each.control
        assert isinstance(control, ExpectDocument | IgnoreDocument)
        if is_expired(control, now):
            continue
        why = _pipeline_misfit(control.pipeline, pipelines)
        if why is None and not any(
            event.is_profiled
            for version in pipelines[control.pipeline]
            for event in version.events.values()
        ):
            why = f"no event type of {control.pipeline} is profiled or checked: nothing is compared"
        if why is not None:
            yield _misfit(each, control.pipeline, "", why, pipelines)


def throttle_misfit(control: ThrottleDocument, pipelines: Pipelines) -> str | None:
    """Return why a throttle document changes nothing; None if it does, or if it sets no rate."""
    if {control.rate, control.per_key} <= {None, OFF, AS_FILE}:
        return None
    versions = pipelines.get(control.pipeline)
    if not versions:
        return f"there is no pipeline {control.pipeline}"
    if control.limit:
        if any(control.limit in version.limits for version in versions):
            return None
        return f"no version of {control.pipeline} has a limit {control.limit}"
    if not control.stage:
        return None
    active = active_stages({version.version: version for version in versions})
    if control.stage not in active:
        return f"no version of {control.pipeline} has a stage {control.stage}"
    if active[control.stage].stage.external:
        return (
            f"{control.stage} is a program of its own, which takes events as fast as it likes;"
            " throttle a stage before it"
        )
    return None


def ended_switches(documents: Sequence[TimedDocument], now: datetime) -> Iterator[EndedSwitch]:
    """Yield the switches that somebody has ended, and that nobody has replaced. A switch that would
    have expired by now is not one of them."""
    ends = _ends(documents)
    for each in newest_switches(documents):
        end = end_of_switch(each, ends)
        if (
            isinstance(each.control, SwitchDocument)
            and end is not None
            and not is_expired(each.control, now)
        ):
            assert isinstance(end.control, EndSwitchDocument)
            yield EndedSwitch(each, each.control, end, end.control)


def mode_misfit(version: Version, switch: SwitchDocument) -> str | None:
    """Return why a stage cannot have the mode of a switch; None if it can. `version`: the newest
    one that has the stage."""
    stage = switch.stage
    spec = version.stages[stage]
    if switch.mode == "on":
        return None
    if spec.external and not spec.is_relayed:
        return (
            f"{stage} is a program of its own, which no worker runs: it cannot be switched to"
            f" {switch.mode}; stop the program instead"
        )
    if switch.mode == "bypass":
        obstacle = bypass_obstacle(version, stage)
        return obstacle and f"{stage} cannot be bypassed: {obstacle.text}"
    if switch.mode not in CANDIDATE_MODES:
        return None
    if spec.external:
        return f"{stage} is a program of its own: it has no function that a candidate could replace"
    if spec.has_effects and not switch.allow_effects:
        return (
            f"{stage} writes to the outside, and so would the candidate: allow it with"
            " `--allow-effects`, in a document `allow_effects: true`, or write `effects: false` for"
            " the stage if it does not"
        )
    return None


def _ends(documents: Iterable[TimedDocument]) -> list[TimedDocument]:
    return [each for each in documents if isinstance(each.control, EndSwitchDocument)]


def _active_stages(pipelines: Pipelines, pipeline: str) -> dict[str, ActiveStage]:
    return active_stages({each.version: each for each in pipelines.get(pipeline, ())})


def _misfit(
    document: TimedDocument, pipeline: str, stage: str, why: str, pipelines: Pipelines
) -> ControlMisfit:
    known = stage if stage in _active_stages(pipelines, pipeline) else None
    return ControlMisfit(document, pipeline, stage, known, short_line(why, 300))


def _pipeline_misfit(pipeline: str, pipelines: Pipelines) -> str | None:
    return None if pipelines.get(pipeline) else f"there is no pipeline {pipeline}"


def _missing_schedule(
    control: ScheduleDocument | FireDocument | BackfillDocument, pipelines: Pipelines
) -> str | None:
    newest = pipelines[control.pipeline][-1]
    if control.schedule in newest.schedules:
        return None
    return f"{newest.name} has no schedule {control.schedule}"


def _flag_misfit(control: FlagDocument, pipelines: Pipelines) -> str | None:
    if control.clear:
        return None
    versions = pipelines.get(control.pipeline)
    if not versions:
        return _pipeline_misfit(control.pipeline, pipelines)
    stages = _active_stages(pipelines, control.pipeline)
    spec = versions[-1].flags.get(control.flag)
    return flag_misfit(control, spec, stages, compile_attribute_condition)


def _switch_misfit(control: SwitchDocument | PauseDocument, pipelines: Pipelines) -> str | None:
    if isinstance(control, SwitchDocument) and control.mode == "on":
        return None
    stages = _active_stages(pipelines, control.pipeline)
    if not stages:
        return _pipeline_misfit(control.pipeline, {})
    if not control.stage:
        return None
    if control.stage not in stages:
        return f"no version of {control.pipeline} has a stage {control.stage}"
    if isinstance(control, PauseDocument):
        control = SwitchDocument(pipeline=control.pipeline, stage=control.stage, mode="hold")
    newest = [v for v in pipelines[control.pipeline] if control.stage in v.stages][-1]
    return mode_misfit(newest, control)
