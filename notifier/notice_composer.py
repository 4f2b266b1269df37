"""How is a notice composed: its recipients, its mail and its webhook payload?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.events.incident_record import Incident, Notice
from farandole.events.topology_version import AlertPolicy
from farandole.notifier import mail_message
from farandole.notifier.alert_routing import matching_route
from farandole.notifier.escalation import recipients_of
from farandole.notifier.incident_lifecycle import NoticeIntent
from farandole.notifier.suggested_commands import console_links, suggested_commands
from farandole.notifier.webhook_payload import webhook_payload

DEFAULT_SENDER = "farandole@localhost"
"""Used if no sender is configured, because the id of a notice contains the sender's domain, even if
the notice is only posted to a webhook."""


def compose_notice(
    intent: NoticeIntent,
    policy: AlertPolicy,
    others: Sequence[Incident] = (),
    *,
    sender: str | None,
    bootstrap: str,
    options: str = "",
    console: str | None = None,
) -> Notice | None:
    """Return the notice that is due; None if no route of the policy fits the incident.

    `others` are incidents that the notice lists as well. `options` are the command-line options
    that reach the same installation, with a space before them. `console`: where the web console is
    found, with a slash at its end."""
    incident, kind, now = intent.incident, intent.kind, intent.at
    route = matching_route(policy, incident)
    if route is None:
        return None
    to = intent.to or recipients_of(route)
    commands = suggested_commands(incident, bootstrap, options, over=kind == "resolved")
    if console is not None:
        commands = [*console_links(incident, console), *commands]
    subject, mail = mail_message.compose_mail(
        incident,
        kind,
        incident.notices,
        sender=sender or DEFAULT_SENDER,
        recipients=to.email,
        commands=commands,
        others=others,
        meanwhile=intent.meanwhile,
        note=intent.note,
        now=now,
    )
    return Notice(
        id=mail_message.notice_message_id(incident.id, incident.notices, sender or DEFAULT_SENDER),
        incident=incident.id,
        pipeline=incident.pipeline,
        kind=kind,
        subject=subject,
        sender=sender or DEFAULT_SENDER,
        recipients=to.email,
        mail=mail,
        webhook=to.webhook,
        payload=webhook_payload(
            incident, kind, commands=commands, others=others, note=intent.note, now=now
        ),
        channels=to.channels,
        written=now,
    )
