"""Whom is a word for, and what does the notice of it say?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from farandole.events.incident_record import Incident, IncidentSample, Notice
from farandole.events.topology_version import AlertPolicy, AlertRoute
from farandole.notifier import mail_message, webhook_delivery
from farandole.notifier.incident_lifecycle import OTHERS_FINGERPRINT, NoticeIntent

DEFAULT_SENDER = "farandole@localhost"
"""The sender where none is configured: a webhook's notices have an id all the same."""


def matching_route(alerts: AlertPolicy, incident: Incident) -> AlertRoute | None:
    """The first route that fits, if any does."""
    return next((r for r in alerts.routes if _route_matches(r, incident)), None)


def compose_notice(
    word: NoticeIntent,
    alerts: AlertPolicy,
    others: Sequence[Incident] = (),
    *,
    sender: str | None,
    bootstrap: str,
    options: str = "",
) -> Notice | None:
    """The notice of a word, None where nobody is to be told. `others` are told in passing;
    `options`: what a person types after `farandole` to reach the same installation, with a space
    before it."""
    incident, kind, now = word
    found = matching_route(alerts, incident)
    if found is None:
        return None
    said = suggested_commands(incident, bootstrap, options, over=kind == "resolved")
    subject, text = mail_message.compose_mail(
        incident,
        kind,
        incident.notices,
        sender=sender or DEFAULT_SENDER,
        recipients=found.email,
        commands=said,
        others=others,
        now=now,
    )
    return Notice(
        id=mail_message.notice_message_id(incident.id, incident.notices, sender or DEFAULT_SENDER),
        incident=incident.id,
        pipeline=incident.pipeline,
        kind=kind,
        subject=subject,
        sender=sender or DEFAULT_SENDER,
        recipients=found.email,
        mail=text,
        webhook=found.webhook,
        payload=webhook_delivery.webhook_payload(
            incident, kind, commands=said, others=others, now=now
        ),
        channels=found.channels,
        written=now,
    )


def suggested_commands(
    incident: Incident, bootstrap: str, options: str = "", *, over: bool = False
) -> list[tuple[str, str]]:
    """What a person can type about an incident, and what for; `over`: it ends now."""
    ours = f"farandole{options}"
    if incident.firing is not None:
        return _alert_commands(incident, ours)
    said = [("all about it", f"{ours} incidents {incident.id}")]
    if incident.samples:
        newest = incident.samples[-1]
        place = f"{shlex.quote(incident.stage)}/{newest.dead_offset}"
        said.append(("the newest one, whole", f"{ours} dead show {place}"))
        said.append(("the same by kcat", _kcat_command(newest, bootstrap)))
    said.append(
        ("how many are open, and since when", f"{ours} dead {dead_selection_options(incident)}")
    )
    said.append(
        (
            "once it is mended: try them again",
            f"{ours} dead replay {dead_selection_options(incident)}",
        )
    )
    if incident.resolved is None and not over:
        said.append(("take care of it: no more digests", f"{ours} ack {incident.id}"))
        said.append(("hear nothing of it for a while", f"{ours} mute {incident.id} --for 2h"))
    return said


def dead_selection_options(incident: Incident) -> str:
    """The options by which `farandole dead` and `dead replay` take the letters of an incident."""
    stage = f"--stage {shlex.quote(incident.stage)}"
    if incident.fingerprint == OTHERS_FINGERPRINT:
        return stage  # they are of many kinds
    return f"{stage} --fingerprint {shlex.quote(incident.fingerprint)}"


def _alert_commands(incident: Incident, ours: str) -> list[tuple[str, str]]:
    said = [("all about it", f"{ours} incidents {incident.id}")]
    if incident.run:
        said.append(("what the run did, and what it waits for", f"{ours} run {incident.run}"))
    if incident.error == "stage.unworked" and incident.firing:
        said.append(("start a worker", f"{ours} work {incident.stage}"))
    said.append(("how far every stage is", f"{ours} status"))
    if incident.firing:
        said.append(("hear nothing of it for a while", f"{ours} mute {incident.id} --for 2h"))
    return said


def _kcat_command(sample: IncidentSample, bootstrap: str) -> str:
    return (
        f"kcat -C -b {bootstrap} -t {sample.dead_topic} -o {sample.dead_offset} -c 1"
        " -f '%h\\n%s\\n'"
    )


def _route_matches(route: AlertRoute, incident: Incident) -> bool:
    return (not route.stages or incident.stage in route.stages) and (
        not route.errors or incident.error in route.errors
    )
