"""Who is told of an incident, when, and why?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from farandole.broker.topic_reader import read_tables
from farandole.events.incident_record import Incident, Notice
from farandole.events.incident_severity import IncidentSeverity
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_duration, utc_timestamp
from farandole.events.topology_version import AlertPolicy, AlertRoute, EscalationStep
from farandole.notifier import notifier_tables
from farandole.notifier.alert_routing import matching_route, route_misfit
from farandole.notifier.incident_lifecycle import is_muted, planned_notice
from farandole.notifier.notice_time import held_until
from farandole.notifier.pipeline_directory import PipelineDirectory
from farandole.operations.errors import query
from farandole.operations.incidents.incident_rows import find_incident
from farandole.operations.installation import Installation
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """Which incident is explained."""

    incident: str


class TriedRoute(Result):
    """One route of `alerts:`, in the order of the file; the last may be its `email` and
    `webhook`."""

    number: int
    takes: bool
    why: str
    """Why it takes the incident, or does not."""
    to: list[str]
    """Mail addresses, or `webhook`, in the order in which its channels are tried."""


class IncidentExplanation(Result):
    """Who has been told of an incident, who is told next, and by which rules."""

    incident: str
    severity: IncidentSeverity
    severity_why: str
    routes: list[TriedRoute]
    """Up to the one that takes it."""
    told: list[str]
    """Who has been told since it was opened: when, and of what."""
    waiting: list[str]
    """Notices that are written and not delivered, each with the reason."""
    chain: list[str]
    """Who is told next unless somebody acknowledges it, step by step."""
    next: str
    """Who is told next and when; or why nobody is."""


@query
async def explain_incident(
    installation: Installation, request: ExplainRequest
) -> IncidentExplanation:
    """Return who is told of an incident, when and why. Raises NotFoundError (`unknown_incident`)
    and UnavailableError."""
    settings, names = installation.settings, installation.settings.names
    incidents, notices, versions = await read_tables(
        settings, names.incidents_topic, names.outbox_topic, names.topology_topic
    )
    directory = PipelineDirectory(names)
    directory.update(versions)
    incident = find_incident(notifier_tables.read_incidents(incidents), request.incident)
    waiting = [
        notice
        for notice in notifier_tables.read_notices(notices)
        if notice.incident == incident.id and notice.delivered is None
    ]
    policy = directory.alerts(incident.pipeline)
    return explain(incident, waiting, policy, datetime.now(UTC))


def explain(
    incident: Incident, waiting: list[Notice], policy: AlertPolicy, now: datetime
) -> IncidentExplanation:
    """Return the explanation at a time, from the rows."""
    opened = [n for n, moment in enumerate(incident.history) if moment.what == "opened"]
    told = [m for m in incident.history[opened[-1] if opened else 0 :] if m.what == "told"]
    return IncidentExplanation(
        incident=incident.id,
        severity=incident.effective_severity,
        severity_why=_severity_why(incident, policy),
        routes=_tried(incident, policy),
        told=[
            single_line(f"{utc_timestamp(moment.at)}: {moment.by} ({moment.text})")
            for moment in told
        ],
        waiting=[
            single_line(
                f"{notice.kind}, written {utc_timestamp(notice.written)}, to"
                f" {', '.join(_recipients_of(notice))}: {_waits_for(notice)}"
            )
            for notice in sorted(waiting, key=lambda notice: notice.written)
        ],
        chain=[single_line(step) for step in _chain(incident, policy, now)],
        next=single_line(_next(incident, policy, now)),
    )


def _severity_why(incident: Incident, policy: AlertPolicy) -> str:
    kind = single_line(incident.kind)
    if incident.severity is None:
        return f"the default of {kind}"
    if policy.severity.get(incident.kind) == incident.severity:
        return f"`severity:` in the file says so of {kind}"
    if incident.kind in policy.severity:
        return f"so it was for {kind} when the incident was opened"
    return f"the default of {kind}"


def _tried(incident: Incident, policy: AlertPolicy) -> list[TriedRoute]:
    tried = []
    for number, route in enumerate(policy.routes, start=1):
        misfit = route_misfit(route, incident)
        why = "it is the first that fits" if misfit is None else single_line(misfit)
        tried.append(
            TriedRoute(number=number, takes=misfit is None, why=why, to=_recipients(route))
        )
        if misfit is None:
            break
    return tried


def _recipients(route: AlertRoute | EscalationStep) -> list[str]:
    by_channel = {"email": [*route.email], "webhook": ["webhook"]}
    return [to for channel in route.channels for to in by_channel[channel]]


def _recipients_of(notice: Notice) -> list[str]:
    return [*notice.recipients, *(["webhook"] if notice.webhook else [])]


def _waits_for(notice: Notice) -> str:
    failures = "; ".join(f"{to}: {why}" for to, why in notice.failures.items())
    attempts = f"{notice.attempts} attempt{'' if notice.attempts == 1 else 's'}"
    tried = attempts + (f", the last: {failures}" if failures else "")
    return f"{tried}; again at {utc_timestamp(notice.due)}" if notice.due else tried


def _next(incident: Incident, policy: AlertPolicy, now: datetime) -> str:
    route = matching_route(policy, incident)
    if route is None:
        return "nobody, since no route takes it: add one, or `email:` below `alerts:`"
    to = ", ".join(_recipients(route))
    planned = planned_notice(incident, now, policy)
    if planned is None:
        if incident.resolved is not None:
            return "nobody: it is over, and that has been told or it ended at once"
        if incident.acknowledged_by:
            return f"{to} when it is over; {incident.acknowledged_by} has acknowledged it"
        return f"{to} when it is over"
    why = _delay(incident, policy, planned.at, now)
    grows = ", if more has failed by then" if planned.if_it_grows else ""
    when = "now" if planned.at <= now else f"at {utc_timestamp(planned.at)}"
    return f"{to} {when}{grows} ({planned.kind}){why}"


def _chain(incident: Incident, policy: AlertPolicy, now: datetime) -> list[str]:
    """Return the steps that are still to come."""
    route = matching_route(policy, incident)
    if route is None or not route.escalate or incident.resolved is not None:
        return []
    if incident.acknowledged_by:
        return [f"ended: {incident.acknowledged_by} has acknowledged the incident"]
    steps = []
    for number, step in enumerate(route.escalate[incident.steps :], start=incident.steps + 1):
        to = ", ".join(_recipients(step))
        if incident.chain_since is None:
            steps.append(
                f"step {number}: {to} {format_duration(step.after)} after the first notice"
            )
        else:
            at = max(incident.chain_since + timedelta(seconds=step.after), now)
            at = max(at, incident.muted_until or at)
            at = held_until(incident, policy, at) or at
            steps.append(f"step {number}: {to} at {utc_timestamp(at)}")
    if route.repeat is not None:
        steps.append(f"step {len(route.escalate)} again every {format_duration(route.repeat)}")
    return steps


def _delay(incident: Incident, policy: AlertPolicy, at: datetime, now: datetime) -> str:
    """Return what a notice waits for, beside the time between two notices."""
    reasons = []
    if is_muted(incident, now) and incident.muted_until:
        reasons.append(f"it is muted until {utc_timestamp(incident.muted_until)}")
    route = matching_route(policy, incident)
    if incident.effective_severity == "digest":
        reasons.append(f"digests are sent at {', '.join(policy.digest_at)}")
    elif route is not None and route.quiet and held_until(incident, policy, now) is not None:
        reasons.append(f"quiet hours are {route.quiet}")
    return f": {'; '.join(reasons)}" if reasons and at > now else ""
