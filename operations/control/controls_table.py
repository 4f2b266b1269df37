"""What is in force in one table: modes, drains, rates, flags, mutes and ignored numbers?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import orjson

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import ordered_lag_pass
from farandole.broker.settings import Settings
from farandole.catalog.topology_table import TopologyTable
from farandole.events.anomaly_document import IgnoredNumbers, IgnoreDocument
from farandole.events.control_documents import MuteDocument
from farandole.events.controls_in_force import (
    TimedDocument,
    drain_in_force,
    is_expired,
    newest_of_each,
)
from farandole.events.drain_document import DrainDocument
from farandole.events.flag_document import FlagDocument
from farandole.events.release_document import ReleaseDocument
from farandole.events.run_row import edge_name
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.topology_version import Version
from farandole.operations.control.canary_report import CanaryReport
from farandole.operations.control.control_query import (
    StageModeState,
    UnfitControl,
    UnreadableControl,
    read_control_table,
)
from farandole.operations.control.flag_report import FlagsReport, FlagState
from farandole.operations.control.rate_reports import LimitsReport, RateReport
from farandole.operations.control.shadow_report import ShadowReport
from farandole.operations.control.switches import (
    StageSwitch,
    SwitchesResult,
    switches_of,
)
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import require_published
from farandole.operations.results import Result
from farandole.router.topology_store import read_topology

ControlKind = Literal["switch", "drain", "throttle", "limit", "flag", "mute", "ignore", "release"]


InFlightOf = Callable[[str], Mapping[str, int | None] | None]
"""Returns how many events are in flight on each edge of a pipeline, by the edge's name; None of a
root, and None if the books were not read."""


@dataclass(frozen=True, slots=True)
class ControlsRequest:
    """Which controls are shown."""

    pipeline: str | None = None
    """None: those of every pipeline."""


class ControlDone(Result):
    """What a control has done so far; a field is None where it does not apply."""

    unread: int | None = None
    """Offsets that a stage on hold has not read: the markers of transactions take offsets too. None
    if the books say how many events that are."""
    in_flight: int | None = None
    """Events that wait for a stage on hold, by the books."""
    waiting: int | None = None
    """Events, or calls for a limit, that wait for a rate."""
    sharers: int | None = None
    """How many lanes, or processes for a limit, share a rate."""
    calls: int | None = None
    """The calls of a candidate that were compared, or its first attempts."""
    differing: int | None = None
    """Of the calls of a shadow's candidate."""
    raised: int | None = None
    evidence: float | None = None
    """The decimal logarithm of the e-value that a canary's candidate is worse."""
    ends_at: float | None = None
    """The evidence at which the canary ends by itself."""
    reads: int | None = None
    """How often functions have read a flag in the newest runs."""


class NamedNumbers(Result):
    """The names of numbers about runs; an empty one means all."""

    edge: str
    column: str
    statistic: str


class ControlRow(Result):
    """One control."""

    id: str
    """Of its kind, pipeline and target; it stays the same while the control does."""
    kind: ControlKind
    mode: str
    """That of a switch, otherwise the kind."""
    pipeline: str
    target: str
    """The stage, limit, flag or incident, the run that is let in, or the numbers that are not told;
    empty for the whole pipeline."""
    value: str = ""
    """The rate, the value of a flag as JSON, or the candidate of a switch."""
    otherwise: str = ""
    """What holds where the value does not: the default of a flag, or the file's rate."""
    condition: str = ""
    """For which events a flag has its value, as CEL."""
    share: float | None = None
    since: datetime | None = None
    by: str = ""
    comment: str = ""
    until: datetime | None = None
    """None if it lasts until somebody ends it."""
    generation: int | None = None
    """The offset of its document."""
    by_file: str | None = None
    """The version, `pipeline@number`, whose file says so; None if a document does."""
    numbers: NamedNumbers | None = None
    """Of `ignore`: those that are not told."""
    done: ControlDone = ControlDone()
    ended: datetime | None = None
    """When it has ended; None if it is in force."""
    why: str = ""
    """Why it has ended."""


class ControlsTable(Result):
    """The controls of the pipelines."""

    now: datetime
    rows: list[ControlRow]
    """Those in force: switches, drains, rates, flags, mutes, numbers that are not told."""
    ended: list[ControlRow]
    """Those that have ended and whose documents are still there, the newest first."""
    unfit: list[UnfitControl]
    """Documents that change nothing."""
    unreadable: list[UnreadableControl]
    """Records of the control topic that are no documents."""


@query
async def read_controls(
    installation: Installation,
    request: ControlsRequest,
    topology: TopologyTable | None = None,
    in_flight: InFlightOf = lambda _: None,
) -> ControlsTable:
    """Return the controls of all pipelines, or of one. `topology`: None to read it. Raises
    NotFoundError (`pipeline_unknown`) and UnavailableError."""
    settings = installation.settings
    if topology is None or request.pipeline not in (None, *topology.pipelines()):
        topology = await read_topology(settings)
    if request.pipeline is not None and request.pipeline not in topology.pipelines():
        await require_published(installation, request.pipeline)  # raises an error that says why
    names = [each for each in topology.pipelines() if request.pipeline in (None, each)]
    table = await read_control_table(settings)
    documents, now = [*table.documents.values()], datetime.now(UTC)
    rows: list[ControlRow] = []
    ended: list[ControlRow] = []
    unfit: list[UnfitControl] = []
    of_pipelines = await asyncio.gather(
        *(
            switches_of(settings, {each.version: each for each in topology.of(name)}, table)
            for name in names
        )
    )
    for name, switches in zip(names, of_pipelines, strict=True):
        versions = {each.version: each for each in topology.of(name)}
        version = versions[max(versions)]
        waits = waiting_by_books(version, in_flight(name))
        if any(each.mode == "hold" and each.stage not in waits for each in switches.stages):
            waits = await _unread(settings, version, switches) | waits
        rows += switch_rows(switches, waits)
        rows += _drain_rows(documents, name, now)
        rows += rate_rows(switches, version.name)
        rows += _flag_rows(switches)
        rows += _mute_rows(documents, name, now)
        rows += _ignore_rows(documents, name, now)
        rows += release_rows(documents, name, now)
        ended += _ended_rows(switches)
        unfit += switches.unfit
    rows += _mute_rows(documents, "", now)
    ended += [each for each in expired_rows(documents, now) if each.pipeline in names]
    ended.sort(key=lambda each: each.ended or now, reverse=True)
    return ControlsTable(
        now=now, rows=rows, ended=ended, unfit=unfit, unreadable=[*table.unreadable]
    )


def waiting_by_books(
    version: Version, in_flight: Mapping[str, int | None] | None
) -> dict[str, ControlDone]:
    """Return how many events wait for each stage, for those of which the books know it: they do not
    know a root before a stage has taken it. `in_flight`: by the name of the edge."""
    found = {}
    for stage, spec in version.stages.items():
        counts = [(in_flight or {}).get(edge_name(event, stage)) for event in spec.subscribes]
        known = [each for each in counts if each is not None]
        if counts and len(known) == len(counts):
            found[stage] = ControlDone(in_flight=sum(known))
    return found


def switch_rows(switches: SwitchesResult, waits: Mapping[str, ControlDone]) -> Iterator[ControlRow]:
    """Yield a row for each stage that is not on; one for all that are on hold with the whole
    pipeline. `waits`: what waits for each stage, in events or in offsets."""
    whole = [each for each in switches.stages if each.pipeline and each.mode != "on"]
    if whole:
        yield _switch_row(switches.pipeline, "", whole[0], _waiting_for_all(whole, waits))
    for each in switches.stages:
        if not each.pipeline and each.mode != "on":
            done = _switch_done(each, waits.get(each.stage, ControlDone()))
            yield _switch_row(switches.pipeline, each.stage, each, done)


def _waiting_for_all(
    stages: Sequence[StageSwitch], waits: Mapping[str, ControlDone]
) -> ControlDone:
    """Return what waits for all of a pipeline's stages: events, and offsets beside them."""
    each = [waits.get(stage.stage, ControlDone()) for stage in stages]
    unread = [done.unread for done in each if done.unread is not None]
    in_flight = [done.in_flight for done in each if done.in_flight is not None]
    return ControlDone(
        unread=sum(unread) if unread else None, in_flight=sum(in_flight) if in_flight else None
    )


def rate_rows(switches: SwitchesResult, version: str) -> Iterator[ControlRow]:
    """Yield a row for each rate of a stage, of the roots and of a limit. `version`: the one in
    force."""
    reports = [each.sections.get("throttle") for each in switches.stages]
    limits = switches.sections.get("limits")
    reports += [switches.sections.get("roots")]
    reports += limits.limits if isinstance(limits, LimitsReport) else []
    for report in reports:
        if isinstance(report, RateReport):
            yield _rate_row(switches.pipeline, report, version)


def expired_rows(documents: Sequence[TimedDocument], now: datetime) -> Iterator[ControlRow]:
    """Yield a row for each document of a switch, drain, rate, flag or of numbers that are not told
    that has expired."""
    for each in documents:
        control = each.control
        if not is_expired(control, now):
            continue
        if isinstance(control, SwitchDocument):
            row = _document_row(each, "switch", control.mode, control.stage, control.run)
        elif isinstance(control, DrainDocument):
            row = _document_row(each, "drain", "drain", "", "")
        elif isinstance(control, ThrottleDocument):
            kind: ControlKind = "limit" if control.limit else "throttle"
            target = control.limit or control.stage
            row = _document_row(each, kind, kind, target, control.rate or control.per_key or "")
        elif isinstance(control, FlagDocument):
            value = "" if control.clear else _json(control.value)
            row = _document_row(each, "flag", "flag", control.flag, value)
        elif isinstance(control, IgnoreDocument):
            row = _ignore_row(each, control.numbers)
        else:
            continue
        yield row.model_copy(update={"ended": row.until, "why": "its time was over"})


async def _unread(
    settings: Settings, version: Version, switches: SwitchesResult
) -> dict[str, ControlDone]:
    """Return how many offsets each stage has not read; none if that cannot be told now."""
    with suppress(BrokerError):
        async with ClusterAdmin.open(settings) as admin:
            lags = await ordered_lag_pass(admin, settings.names, version)
        return {
            stage: ControlDone(unread=sum(each.lag for each in inputs))
            for stage, inputs in lags.items()
        }
    return {}


def _switch_row(pipeline: str, stage: str, state: StageModeState, done: ControlDone) -> ControlRow:
    return ControlRow(
        id=f"switch/{pipeline}/{stage}",
        kind="switch",
        mode=state.mode,
        pipeline=pipeline,
        target=stage,
        value=state.run,
        share=state.share,
        since=state.since,
        by=state.by,
        comment=state.comment,
        until=state.until,
        generation=state.generation,
        done=done,
    )


def _switch_done(stage: StageSwitch, waits: ControlDone) -> ControlDone:
    shadow, canary = stage.sections.get("shadow"), stage.sections.get("canary")
    if stage.mode == "shadow" and isinstance(shadow, ShadowReport):
        return ControlDone(
            calls=shadow.compared,
            differing=shadow.differing,
            raised=sum(shadow.errors.values()),
        )
    if stage.mode == "canary" and isinstance(canary, CanaryReport):
        return ControlDone(
            calls=canary.candidate.observations,
            raised=canary.candidate.failed,
            evidence=canary.evidence,
            ends_at=canary.ends_at,
        )
    return waits if stage.mode == "hold" else ControlDone()


def _rate_row(pipeline: str, report: RateReport, version: str) -> ControlRow:
    kind: ControlKind = "limit" if report.kind == "limit" else "throttle"
    target = "" if report.kind == "roots" else report.target
    per_key = f"{report.per_key} for each key" if report.per_key else None
    in_file = [report.file_rate, report.file_per_key and f"{report.file_per_key} for each key"]
    return ControlRow(
        id=f"{kind}/{pipeline}/{target}",
        kind=kind,
        mode=kind,
        pipeline=pipeline,
        target=target,
        value=", ".join(filter(None, (report.rate, per_key))) or "no limit",
        otherwise="" if report.generation is None else ", ".join(filter(None, in_file)),
        since=report.since,
        by=report.by,
        comment=report.comment,
        until=report.until,
        generation=report.generation,
        by_file=version if report.generation is None else None,
        done=ControlDone(
            waiting=report.held.waiting if report.held.since else 0, sharers=report.held.sharers
        ),
    )


def _drain_rows(
    documents: Sequence[TimedDocument], pipeline: str, now: datetime
) -> Iterator[ControlRow]:
    found = drain_in_force(documents, pipeline, now)
    if found is not None:
        yield ControlRow(
            id=f"drain/{pipeline}/",
            kind="drain",
            mode="drain",
            pipeline=pipeline,
            target="",
            since=found.since,
            by=found.by,
            comment=found.comment,
            until=found.until,
            generation=found.generation,
        )


def _flag_rows(switches: SwitchesResult) -> Iterator[ControlRow]:
    report = switches.sections.get("flags")
    for flag in report.flags if isinstance(report, FlagsReport) else []:
        yield _flag_row(switches.pipeline, flag)


def _flag_row(pipeline: str, flag: FlagState) -> ControlRow:
    first = flag.rules[0] if flag.rules else None
    conditions = (f"in {first.stage}" if first and first.stage else "", first.when if first else "")
    return ControlRow(
        id=f"flag/{pipeline}/{flag.flag}",
        kind="flag",
        mode="flag",
        pipeline=pipeline,
        target=flag.flag,
        value=", ".join(_json(rule.value) for rule in flag.rules) or _json(flag.default),
        otherwise=_json(flag.default) if flag.rules else "",
        condition=" and ".join(filter(None, conditions)),
        share=first.share if first else None,
        since=flag.since,
        by=flag.by,
        comment=flag.comment,
        until=flag.until,
        generation=flag.generation,
        done=ControlDone(
            reads=sum(sum(counts.values()) for counts in flag.reads.values()),
        ),
    )


def _mute_rows(
    documents: Sequence[TimedDocument], pipeline: str, now: datetime
) -> Iterator[ControlRow]:
    """Yield the mutes of a pipeline's stages; under the empty name those of incidents."""
    for each in documents:
        control = each.control
        if (
            isinstance(control, MuteDocument)
            and control.pipeline == pipeline
            and control.until > now
        ):
            target = control.stage or control.incident
            yield _document_row(each, "mute", "mute", target, "")


def _ignore_rows(
    documents: Sequence[TimedDocument], pipeline: str, now: datetime
) -> Iterator[ControlRow]:
    """Yield the numbers about runs of a pipeline that are not told."""
    for each in newest_of_each(documents, IgnoreDocument):
        control = each.control
        if (
            isinstance(control, IgnoreDocument)
            and control.pipeline == pipeline
            and not is_expired(control, now)
        ):
            yield _ignore_row(each, control.numbers)


def release_rows(
    documents: Sequence[TimedDocument], pipeline: str, now: datetime
) -> Iterator[ControlRow]:
    """Yield the runs of a pipeline that somebody has let into gated stages; the value of each is
    the stage, empty for all of them."""
    for each in documents:
        control = each.control
        if (
            isinstance(control, ReleaseDocument)
            and control.pipeline == pipeline
            and not is_expired(control, now)
        ):
            yield _document_row(each, "release", "release", control.run, control.stage)


def _ignore_row(document: TimedDocument, numbers: IgnoredNumbers) -> ControlRow:
    row = _document_row(document, "ignore", "ignore", str(numbers), "")
    return row.model_copy(update={"numbers": NamedNumbers(**numbers._asdict())})


def _ended_rows(switches: SwitchesResult) -> Iterator[ControlRow]:
    for stage in switches.stages:
        if stage.ended is not None:
            yield ControlRow(
                id=f"ended/{switches.pipeline}/{stage.stage}/{stage.ended.generation}",
                kind="switch",
                mode=stage.ended.mode,
                pipeline=switches.pipeline,
                target=stage.stage,
                by=stage.ended.by,
                generation=stage.ended.generation,
                ended=stage.ended.at,
                why=stage.ended.why,
            )


def _document_row(
    document: TimedDocument, kind: ControlKind, mode: str, target: str, value: str
) -> ControlRow:
    control = document.control
    pipeline = getattr(control, "pipeline", "")
    return ControlRow(
        id=f"{kind}/{pipeline}/{target}/{document.generation}",
        kind=kind,
        mode=mode,
        pipeline=pipeline,
        target=target,
        value=value,
        share=getattr(control, "share", None),
        since=document.at,
        by=getattr(control, "by", ""),
        comment=getattr(control, "comment", ""),
        until=getattr(control, "until", None),
        generation=document.generation,
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
