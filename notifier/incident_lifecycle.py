"""When does an incident open, grow and end, and when is the next notice due?

These functions are pure: a time is that of a dead letter or alert, or an argument. So the same dead
letters and alerts give the same incidents and notices, for any batches and after any restart.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

from farandole.events.incident_record import Incident, IncidentMoment, NoticeKind, with_moment
from farandole.events.incident_severity import incident_severity
from farandole.events.topology_version import AlertPolicy
from farandole.notifier.alert_view import AlertView
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.notifier.escalation import Recipients
from farandole.notifier.notice_time import held_until, next_digest

GATHER_TIME = timedelta(seconds=5)
"""The time between the first failure and its notice, so that the notice can count failures."""
OTHERS_FINGERPRINT = "others"
"""The fingerprint of the incident that collects failures beyond the limit of open incidents."""
OTHERS_ERROR = "various"
"""The error of that incident; routes in `topology.yaml` can name it."""
OTHER_FAILURES_TITLE = "failures of many other kinds"
OTHER_ALERTS_TITLE = "many more alerts"


class NoticeIntent(NamedTuple):
    """A notice that is due, and the incident at that time."""

    incident: Incident
    kind: NoticeKind
    at: datetime
    meanwhile: Sequence[Incident] = ()
    """Others that were opened since all was as usual last."""
    to: Recipients | None = None
    """Who gets it, if not those whom its route names itself."""
    note: str = ""
    """Why these people get it; empty if their route says so."""


def open_from_dead_letter(letter: DeadLetterView, *, collects_others: bool = False) -> Incident:
    """Return the incident that begins with this dead letter, before it is counted.

    `collects_others` is True for the incident that collects failures beyond the limit of open
    incidents."""
    fingerprint = OTHERS_FINGERPRINT if collects_others else letter.fingerprint
    return Incident(
        id=_incident_id(letter, fingerprint),
        pipeline=letter.pipeline,
        stage=letter.stage,
        fingerprint=fingerprint,
        error=OTHERS_ERROR if collects_others else letter.error,
        title=OTHER_FAILURES_TITLE if collects_others else letter.title,
        version=letter.version,
        opened=letter.time,
        last=letter.time,
        count=0,
        due=letter.time + GATHER_TIME,
        seen=letter.record.offset,
    )


def with_severity(incident: Incident, policy: AlertPolicy) -> Incident:
    """Return an incident that has just opened with the severity of its kind. A digest is due at its
    next time."""
    severity = incident_severity(incident.kind, policy.severity)
    due = next_digest(policy, incident.due) if severity == "digest" else incident.due
    return incident.model_copy(update={"severity": severity, "due": due})


def reopen(incident: Incident, at: datetime) -> Incident:
    """Return an incident that goes on, although it was resolved: nobody has been told of its end
    yet."""
    again = incident.model_copy(update={"resolved": None, "owed": False})
    return with_moment(again, IncidentMoment(at=at, what="grew", text="it has come back"))


def after_digest(incident: Incident, now: datetime, policy: AlertPolicy) -> Incident:
    """Return an incident of which there was nothing to tell by `now`: if the time of its digest has
    come, it waits for the next one. Any other incident stays as it is."""
    if incident.effective_severity != "digest" or now < incident.due:
        return incident
    return incident.model_copy(update={"due": next_digest(policy, now)})


def count_dead_letter(incident: Incident, letter: DeadLetterView) -> Incident:
    """Return the incident with one more failure."""
    return incident.model_copy(
        update={
            "count": incident.count + 1,
            "last": max(incident.last, letter.time),
            "version": letter.version or incident.version,
            "seen": max(incident.seen, letter.record.offset + 1),
        }
    )


def open_from_alert(alert: AlertView, *, collects_others: bool = False) -> Incident:
    """Return the incident that begins with this alert, before it is counted.

    `collects_others` is True for the incident that collects alerts beyond the limit of open
    incidents."""
    fingerprint = OTHERS_FINGERPRINT if collects_others else alert.fingerprint
    return Incident(
        id=_incident_id(alert, fingerprint),
        pipeline=alert.pipeline,
        stage=alert.stage,
        fingerprint=fingerprint,
        error=OTHERS_ERROR if collects_others else alert.error,
        title=OTHER_ALERTS_TITLE if collects_others else alert.title,
        version="",
        opened=alert.since,
        last=alert.time,
        count=0,
        due=alert.time + GATHER_TIME,
        firing=0,
        run="" if collects_others else alert.run,
        schedule="" if collects_others else alert.schedule,
        facts=() if collects_others else alert.facts,
        usual_until=None if collects_others else alert.usual_until,
        seen=alert.record.offset,
    )


def apply_alert(incident: Incident, alert: AlertView) -> Incident:
    """Return the incident after an alert that fires or is resolved."""
    firing, is_new = int(alert.firing), alert.firing and not incident.count
    lanes, text = set(incident.lanes), alert.text
    if alert.lane is not None:
        (lanes.add if alert.firing else lanes.discard)(alert.lane)
        firing = len(lanes)
        if lanes and not alert.firing:
            text = incident.said  # resolved for one lane, but still firing for others
    if incident.fingerprint == OTHERS_FINGERPRINT:
        firing = max(0, (incident.firing or 0) + (1 if alert.firing else -1))
        is_new = alert.firing
    return incident.model_copy(
        update={
            "count": incident.count + is_new,
            "firing": firing,
            "lanes": tuple(sorted(lanes)),
            "said": text,
            "last": max(incident.last, alert.time),
            "seen": max(incident.seen, alert.record.offset + 1),
        }
    )


def next_notice(incident: Incident, now: datetime, policy: AlertPolicy) -> NoticeIntent | None:
    """Return the notice that is due by `now`; None if none is."""
    if is_muted(incident, now) or held_until(incident, policy, now) is not None:
        return None
    if incident.resolved is not None:
        return NoticeIntent(incident, "resolved", now) if incident.owed else None
    if incident.notices == 0:
        return NoticeIntent(incident, "opened", now) if now >= incident.due else None
    if is_quiet(incident, now, policy):
        return NoticeIntent(incident, "resolved", now)
    if now < incident.due or incident.count == incident.told or incident.acknowledged_by:
        return None
    return NoticeIntent(incident, "growing", now)


class PlannedNotice(NamedTuple):
    """The notice that comes next if nobody does anything."""

    kind: NoticeKind
    at: datetime
    """Not before this time."""
    if_it_grows: bool
    """True if it is only sent if more has failed by then."""


def planned_notice(incident: Incident, now: datetime, policy: AlertPolicy) -> PlannedNotice | None:
    """Return the notice that is written next; None if only the resolution is told, when it comes,
    or if all is told."""
    if incident.resolved is not None:
        at = max(now, incident.muted_until or now)
        at = held_until(incident, policy, at) or at
        return PlannedNotice("resolved", at, False) if incident.owed else None
    at = max(incident.due, incident.muted_until or incident.due)
    at = held_until(incident, policy, max(at, now)) or at
    if incident.notices == 0:
        return PlannedNotice("opened", at, False)
    if incident.acknowledged_by or incident.firing is not None:
        return None
    return PlannedNotice("growing", at, incident.count == incident.told)


def after_notice(intent: NoticeIntent, policy: AlertPolicy) -> Incident:
    """Return the incident after a notice is written. The next notice is due after the policy's
    next, longer interval."""
    incident = intent.incident
    interval = policy.digests[min(incident.notices, len(policy.digests) - 1)]
    due = intent.at + timedelta(seconds=interval)
    if incident.effective_severity == "digest":
        due = next_digest(policy, intent.at)
    after = incident.model_copy(
        update={
            "told": incident.count,
            "notices": incident.notices + 1,
            "due": due,
            "owed": False,
            "chain_since": incident.chain_since or intent.at,
        }
    )
    return resolve_incident(after, policy) if intent.kind == "resolved" else after


def resolve_incident(incident: Incident, policy: AlertPolicy, *, owed: bool = False) -> Incident:
    """Return the incident marked as resolved, at the time when it became quiet. `owed`: people have
    yet to be told. What is resolved already stays as it is."""
    if incident.resolved is not None:
        return incident
    quiet = timedelta(seconds=policy.quiet) if incident.firing is None else timedelta()
    resolved = incident.last + quiet
    ended = incident.model_copy(update={"resolved": resolved, "owed": owed})
    return with_moment(ended, IncidentMoment(at=resolved, what="resolved", text=incident.said))


def is_quiet(incident: Incident, now: datetime, policy: AlertPolicy) -> bool:
    """Return True if nothing failed for the policy's quiet time, or if no alert fires any more."""
    if incident.firing is not None:
        return incident.firing == 0
    return now >= incident.last + timedelta(seconds=policy.quiet)


def is_worth_telling(incident: Incident, policy: AlertPolicy, ended: datetime) -> bool:
    """Return True if an alert that has ended before anybody was told has to be told: its first
    notice waited for its hour, and it lasted longer than the gathering time."""
    if is_muted(incident, ended) or held_until(incident, policy, ended) is None:
        return False
    if incident.effective_severity == "digest":
        return ended - incident.opened >= GATHER_TIME
    return ended >= incident.due


def is_muted(incident: Incident, now: datetime) -> bool:
    """Return True if a mute is in force at `now`."""
    return incident.muted_until is not None and now < incident.muted_until


def expired_keys(
    incidents: Iterable[Incident], now: datetime, keep: timedelta, max_resolved: int
) -> set[bytes]:
    """Return the keys of the incidents to delete: resolved more than `keep` ago, or not among the
    `max_resolved` that were resolved last."""
    resolved = sorted(
        (i for i in incidents if i.resolved is not None),
        key=lambda i: i.resolved or now,
        reverse=True,
    )
    return {
        i.key
        for n, i in enumerate(resolved)
        if n >= max_resolved or (i.resolved or now) + keep < now
    }


def _incident_id(first: DeadLetterView | AlertView, fingerprint: str) -> str:
    """Return the id of the incident that begins with the record `first`."""
    origin = f"{first.record.topic}/{first.record.offset}/{fingerprint}".encode()
    return base64.b32encode(blake2b(origin, digest_size=5).digest()).decode().lower()
