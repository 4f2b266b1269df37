"""Which step of a route's chain is told next, and to whom does the end of an incident go?

The clock is in the row of the incident: when it was told first, which steps have been told, and
when the last of them. So a restart, or another notifier, goes on where the rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from farandole.events.incident_record import Incident, IncidentMoment, NoticeChannel, with_moment
from farandole.events.topology_version import AlertRoute


class HasChannels(Protocol):
    """A route, or a step of its chain."""

    @property
    def email(self) -> tuple[str, ...]: ...
    @property
    def webhook(self) -> str | None: ...
    @property
    def channels(self) -> tuple[NoticeChannel, ...]: ...


class Recipients(NamedTuple):
    """Who gets a notice, and in which order the channels are tried."""

    email: tuple[str, ...]
    webhook: str | None
    channels: tuple[NoticeChannel, ...]


class DueStep(NamedTuple):
    """The step that is told next unless somebody acknowledges the incident."""

    number: int
    """From 1; the route itself is step 0."""
    at: datetime
    repeats: bool
    """True if it has been told before."""
    to: Recipients


def recipients_of(target: HasChannels) -> Recipients:
    """Return who is told by a route, or by a step."""
    return Recipients(target.email, target.webhook, target.channels)


def next_step(incident: Incident, route: AlertRoute) -> DueStep | None:
    """Return the step that is told next; None if nobody is told yet, somebody has acknowledged the
    incident, it is over, or the chain has ended."""
    since = incident.chain_since
    if not route.escalate or since is None or incident.acknowledged_by or incident.resolved:
        return None
    if incident.steps < len(route.escalate):
        step = route.escalate[incident.steps]
        at = since + timedelta(seconds=step.after)
        return DueStep(incident.steps + 1, at, False, recipients_of(step))
    if route.repeat is None or incident.escalated is None:
        return None
    at = incident.escalated + timedelta(seconds=route.repeat)
    return DueStep(len(route.escalate), at, True, recipients_of(route.escalate[-1]))


def after_step(incident: Incident, step: DueStep, now: datetime) -> Incident:
    """Return the incident after the notice of a step is written."""
    told = incident.model_copy(
        update={
            "notices": incident.notices + 1,
            "steps": max(incident.steps, step.number),
            "escalated": now,
        }
    )
    word = f"step {step.number}{' again' if step.repeats else ''}: nobody has acknowledged it"
    return with_moment(told, IncidentMoment(at=now, what="escalated", text=word))


def told_further(incident: Incident, route: AlertRoute) -> Sequence[Recipients]:
    """Return who was told by the steps of the chain, each address and webhook once, and none that
    the route itself tells: they are to know that it is over."""
    addresses, webhooks = set(route.email), {route.webhook}
    found = []
    for step in route.escalate[: incident.steps]:
        email = tuple(address for address in step.email if address not in addresses)
        webhook = None if step.webhook in webhooks else step.webhook
        there = {"email": bool(email), "webhook": webhook is not None}
        channels = tuple(channel for channel in step.channels if there[channel])
        if channels:
            found.append(Recipients(email, webhook, channels))
        addresses.update(email)
        webhooks.add(webhook)
    return found
