"""How is a notice composed: its recipients, its mail and its webhook payload?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from farandole.events.incident_record import Incident, IncidentSample, Notice
from farandole.events.topology_version import AlertPolicy
from farandole.notifier import mail_message
from farandole.notifier.alert_routing import matching_route
from farandole.notifier.incident_lifecycle import OTHERS_FINGERPRINT, NoticeIntent
from farandole.notifier.webhook_payload import webhook_payload

DEFAULT_SENDER = "farandole@localhost"
"""Used if none is configured, because the id of a notice contains the sender's domain, also where
it goes to a webhook alone."""


def compose_notice(
    intent: NoticeIntent,
    policy: AlertPolicy,
    others: Sequence[Incident] = (),
    *,
    sender: str | None,
    bootstrap: str,
    options: str = "",
) -> Notice | None:
    """Return the notice that is due; None if no route of the policy fits the incident.

    `others` are incidents that the notice lists as well. `options` are the command-line options
    that reach the same installation, with a space before them."""
    incident, kind, now = intent
    route = matching_route(policy, incident)
    if route is None:
        return None
    commands = suggested_commands(incident, bootstrap, options, over=kind == "resolved")
    subject, mail = mail_message.compose_mail(
        incident,
        kind,
        incident.notices,
        sender=sender or DEFAULT_SENDER,
        recipients=route.email,
        commands=commands,
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
        recipients=route.email,
        mail=mail,
        webhook=route.webhook,
        payload=webhook_payload(incident, kind, commands=commands, others=others, now=now),
        channels=route.channels,
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
