"""Which incidents need somebody, how urgently, and who is told next?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_tables
from farandole.events.incident_record import Incident, IncidentMoment, Notice
from farandole.events.incident_severity import IncidentSeverity
from farandole.events.safe_text import escape_harmful, single_line
from farandole.notifier import notifier_tables
from farandole.notifier.alert_routing import matching_route
from farandole.notifier.incident_lifecycle import is_muted, planned_notice
from farandole.notifier.pipeline_directory import PipelineDirectory
from farandole.operations.errors import query
from farandole.operations.incidents.incident_rows import find_incident
from farandole.operations.installation import Installation
from farandole.operations.results import Result

IncidentState = Literal["open", "acknowledged", "muted", "resolved"]
NEEDS_SOMEBODY: IncidentState = "open"

_URGENCY = (
    ("stage.lost", "stage.held", "stage.full", "stage.unworked"),
    ("topic.changed", "ledger.lags", "scheduler.clock", "scheduler.tzdata"),
    ("run.late", "stage.age", "stage.parked"),
    ("schedule.overdue", "schedule.failed", "schedule.unread", "schedule.unknown",
     "schedule.partial"),
    ("check.failed", "data.unusual"),
    ("control.unread", "control.unfit", "switch.ended"),
)  # fmt: skip
"""Kinds of alerts: first those that stop a stage, then those by which nobody knows how things are,
then what is late. Failures come last: they are kept, and nothing waits for them."""
_SAME_TIME_SECONDS = 15 * 60


class NextNotice(Result):
    """Who is told next if nobody does anything."""

    kind: str
    """`opened`, `growing`, or `resolved` where only that has yet to be told."""
    at: datetime
    if_it_grows: bool
    """True if nobody is told unless more has failed by then."""
    to: list[str]
    """Mail addresses, or `webhook`; empty if no route takes the incident."""


class ListedMoment(Result):
    """Something that happened to an incident."""

    at: datetime
    what: str
    by: str
    text: str
    until: datetime | None
    earlier: bool
    """True if it happened to the incident that was resolved before this one was opened."""


class IncidentSummary(Result):
    """An incident in a list."""

    id: str
    pipeline: str
    stage: str
    run: str
    schedule: str
    severity: IncidentSeverity
    kind: str
    """The kind of the alert, such as `stage.held`; `dead` for failures."""
    error: str
    title: str
    said: str
    """The text of the newest alert."""
    fingerprint: str
    count: int
    firing: int | None
    lanes: list[int]
    state: IncidentState
    urgency: int
    """0 for the most urgent."""
    opened: datetime
    last: datetime
    resolved: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    muted_until: datetime | None
    muted_by: str
    note: str
    """What whoever acknowledged or muted it has noted."""
    told: list[str]
    """Who has been told since it was opened, as far as its history goes."""
    waiting: int
    """Notices that are not delivered yet."""
    next: NextNotice | None


class IncidentList(Result):
    """The incidents of an installation."""

    needs_somebody: list[IncidentSummary]
    """Nobody has acknowledged or muted them; the most urgent first."""
    in_hand: list[IncidentSummary]
    """Acknowledged or muted."""
    resolved: list[IncidentSummary]
    """The last to be resolved first."""
    pipelines: list[str]
    """Of all these incidents."""


class ShownSample(Result):
    """An event that died."""

    letter: str
    """Its name, `validate/17`."""
    event: str
    """Its position, `order-lines.line.ingested/3/10482`."""
    topic: str
    partition: int
    offset: int
    run: str
    key: str | None
    message: str
    data: str
    failed: datetime


class ShownNotice(Result):
    """What was or will be sent."""

    kind: str
    to: list[str]
    """Who does not have it yet; of a delivered one, who had it last."""
    channels: list[str]
    written: datetime
    attempts: int
    delivered: datetime | None
    due: datetime | None
    failures: dict[str, str]


class AtTheSameTime(Result):
    """What else happened about when the incident was opened."""

    at: datetime
    what: Literal["incident", "version"]
    text: str
    incident: str | None


class IncidentFact(Result):
    """What else is known of an alert."""

    name: str
    text: str


class IncidentDetail(IncidentSummary):
    """All that is known about an incident."""

    version: str
    facts: list[IncidentFact]
    history: list[ListedMoment]
    """The oldest first."""
    samples: list[ShownSample]
    notices: list[ShownNotice]
    """Those of the last hour, and those that are not delivered."""
    route: int | None
    """The number of the route in `alerts:` that takes it, from 1; None if none does."""
    routes: int
    digests: list[float]
    """Seconds between its notices while it grows; the last repeats."""
    quiet: float
    """Seconds without a failure after which it is resolved."""
    before_opened: datetime | None
    """When the same was open before; None if that is not known."""
    before_resolved: datetime | None
    same_time: list[AtTheSameTime]


@dataclass(frozen=True, slots=True)
class IncidentListRequest:
    """Which incidents are listed."""

    pipeline: str | None = None
    since: int | None = None
    """Milliseconds of the epoch: none that was resolved before."""


@query
async def list_incident_summaries(
    installation: Installation, request: IncidentListRequest
) -> IncidentList:
    """Return the incidents by what they need. Raises UnavailableError."""
    incidents, context = await _read_all(installation.settings)
    now = datetime.now(UTC)
    since = datetime.fromtimestamp((request.since or 0) / 1000, UTC)
    found = [
        _summary(incident, context, now)
        for incident in incidents
        if request.pipeline in (None, incident.pipeline)
        and (incident.resolved is None or incident.resolved >= since)
    ]
    return IncidentList(
        needs_somebody=sorted(
            (each for each in found if each.state == NEEDS_SOMEBODY),
            key=lambda each: (each.urgency, each.opened),
        ),
        in_hand=sorted(
            (each for each in found if each.state in ("acknowledged", "muted")),
            key=lambda each: (each.urgency, each.opened),
        ),
        resolved=sorted(
            (each for each in found if each.resolved is not None),
            key=lambda each: each.resolved or now,
            reverse=True,
        ),
        pipelines=sorted({incident.pipeline for incident in incidents}),
    )


@query
async def describe_incident(installation: Installation, incident_id: str) -> IncidentDetail:
    """Return all that is known about an incident. Raises NotFoundError (`unknown_incident`) and
    UnavailableError."""
    incidents, context = await _read_all(installation.settings)
    incident = find_incident(incidents, incident_id)
    now = datetime.now(UTC)
    policy = context.directory.alerts(incident.pipeline)
    route = matching_route(policy, incident)
    earlier = _earlier_spell(incident)
    return IncidentDetail(
        **dict(_summary(incident, context, now)),
        version=single_line(incident.version),
        facts=[
            IncidentFact(name=single_line(name), text=single_line(text))
            for name, text in incident.facts
        ],
        history=_history(incident),
        samples=_samples(incident),
        notices=[_notice(notice) for notice in context.notices if notice.incident == incident.id],
        route=None if route is None else policy.routes.index(route) + 1,
        routes=len(policy.routes),
        digests=[*policy.digests],
        quiet=policy.quiet,
        before_opened=earlier[0],
        before_resolved=earlier[1],
        same_time=_same_time(incident, incidents, context),
    )


@dataclass(frozen=True, slots=True)
class _Context:
    """What incidents are seen against."""

    directory: PipelineDirectory
    notices: Sequence[Notice]


async def _read_all(settings: Settings) -> tuple[list[Incident], _Context]:
    """Return all stored incidents, and what they are seen against. Raises BrokerError."""
    names = settings.names
    incidents, notices, versions = await read_tables(
        settings, names.incidents_topic, names.outbox_topic, names.topology_topic
    )
    directory = PipelineDirectory(names)
    directory.update(versions)
    written = sorted(notifier_tables.read_notices(notices), key=lambda notice: notice.written)
    return [*notifier_tables.read_incidents(incidents)], _Context(directory, written)


def _summary(incident: Incident, context: _Context, now: datetime) -> IncidentSummary:
    spell = _spell(incident)
    acknowledged = _last(spell, "acknowledged")
    muted = _last(spell, "muted")
    state = _state(incident, now)
    noted = acknowledged if state == "acknowledged" else muted if state == "muted" else None
    return IncidentSummary(
        id=incident.id,
        pipeline=single_line(incident.pipeline),
        stage=single_line(incident.stage),
        run=single_line(incident.run),
        schedule=single_line(incident.schedule),
        severity=incident.effective_severity,
        kind=single_line(incident.kind),
        error=single_line(incident.error),
        title=single_line(incident.title),
        said=single_line(incident.said),
        fingerprint=incident.fingerprint,
        count=incident.count,
        firing=incident.firing,
        lanes=[*incident.lanes],
        state=state,
        urgency=_urgency(incident),
        opened=incident.opened,
        last=incident.last,
        resolved=incident.resolved,
        acknowledged_by=None
        if incident.acknowledged_by is None
        else single_line(incident.acknowledged_by),
        acknowledged_at=acknowledged.at if acknowledged else None,
        muted_until=incident.muted_until if is_muted(incident, now) else None,
        muted_by=single_line(muted.by) if muted else "",
        note=single_line(noted.text) if noted else "",
        told=[
            *dict.fromkeys(
                single_line(name)
                for moment in spell
                if moment.what == "told"
                for name in moment.by.split(", ")
            )
        ],
        waiting=sum(
            1 for n in context.notices if n.incident == incident.id and n.delivered is None
        ),
        next=_next(incident, context, now),
    )


def _state(incident: Incident, now: datetime) -> IncidentState:
    if incident.resolved is not None:
        return "resolved"
    if is_muted(incident, now):
        return "muted"
    return "open" if incident.acknowledged_by is None else "acknowledged"


def _urgency(incident: Incident) -> int:
    if incident.firing is None:
        return len(_URGENCY)
    ranks = (n for n, kinds in enumerate(_URGENCY) if incident.error in kinds)
    return next(ranks, len(_URGENCY) - 1)


def _next(incident: Incident, context: _Context, now: datetime) -> NextNotice | None:
    policy = context.directory.alerts(incident.pipeline)
    planned = planned_notice(incident, now, policy)
    if planned is None:
        return None
    route = matching_route(policy, incident)
    return NextNotice(
        kind=planned.kind,
        at=planned.at,
        if_it_grows=planned.if_it_grows,
        to=[] if route is None else [*route.email, *(["webhook"] if route.webhook else [])],
    )


def _spell(incident: Incident) -> Sequence[IncidentMoment]:
    """Return the moments since the incident was opened the last time."""
    opened = [n for n, moment in enumerate(incident.history) if moment.what == "opened"]
    return incident.history[opened[-1] :] if opened else incident.history


def _earlier_spell(incident: Incident) -> tuple[datetime | None, datetime | None]:
    """Return when the same was opened and resolved before, as far as that is known."""
    before = incident.history[: len(incident.history) - len(_spell(incident))]
    opened, resolved = _last(before, "opened"), _last(before, "resolved")
    return opened.at if opened else None, resolved.at if resolved else None


def _last(moments: Sequence[IncidentMoment], what: str) -> IncidentMoment | None:
    return next((each for each in reversed(moments) if each.what == what), None)


def _history(incident: Incident) -> list[ListedMoment]:
    before = len(incident.history) - len(_spell(incident))
    return [
        ListedMoment(
            at=each.at,
            what=each.what,
            by=single_line(each.by),
            text=single_line(each.text),
            until=each.until,
            earlier=number < before,
        )
        for number, each in enumerate(incident.history)
    ]


def _samples(incident: Incident) -> list[ShownSample]:
    return [
        ShownSample(
            letter=single_line(f"{incident.stage}/{each.dead_offset}"),
            event=single_line(f"{each.topic}/{each.partition}/{each.offset}"),
            topic=single_line(each.topic),
            partition=each.partition,
            offset=each.offset,
            run=single_line(each.run),
            key=None if each.key is None else single_line(each.key),
            message=escape_harmful(each.message),
            data=escape_harmful(each.data),
            failed=each.failed,
        )
        for each in incident.samples
    ]


def _notice(notice: Notice) -> ShownNotice:
    return ShownNotice(
        kind=notice.kind,
        to=[*map(single_line, notice.recipients), *(["webhook"] if notice.webhook else [])],
        channels=[*notice.channels],
        written=notice.written,
        attempts=notice.attempts,
        delivered=notice.delivered,
        due=notice.due,
        failures={single_line(k): single_line(v) for k, v in notice.failures.items()},
    )


def _same_time(
    incident: Incident, incidents: Sequence[Incident], context: _Context
) -> list[AtTheSameTime]:
    """Return what happened shortly before or after an incident was opened, or since all was as
    usual last; the newest first."""

    near = timedelta(seconds=_SAME_TIME_SECONDS)
    begin = min(incident.usual_until or incident.opened, incident.opened - near)

    def is_near(at: datetime) -> bool:
        return begin <= at <= incident.opened + near

    others = [
        AtTheSameTime(
            at=each.opened,
            what="incident",
            text=single_line(f"{each.stage or each.pipeline}: {each.error}"),
            incident=each.id,
        )
        for each in incidents
        if each.id != incident.id and is_near(each.opened)
    ]
    versions = [
        AtTheSameTime(
            at=version.published,
            what="version",
            text=single_line(f"{version.name} by {version.published_by}"),
            incident=None,
        )
        for version in context.directory.versions(incident.pipeline)
        if is_near(version.published)
    ]
    return sorted((*others, *versions), key=lambda each: each.at, reverse=True)[:20]
