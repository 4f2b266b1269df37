"""When does an incident open, grow and end, and when is that to be told?

Pure: time is what the letters say, or what `passed` is given; so the same letters make the same
incidents and the same notices, however they are cut into batches and whoever is restarted.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

from farandole.events.incident_record import Incident, NoticeKind
from farandole.events.topology_version import AlertPolicy
from farandole.notifier.alert_view import AlertView
from farandole.notifier.dead_letter_view import DeadLetterView

GATHER_TIME = timedelta(seconds=5)
"""From the first failure to the notice of it: so that it says how many there are."""
OTHERS_FINGERPRINT = "others"


class NoticeIntent(NamedTuple):
    """Something to tell: the incident as it was then."""

    incident: Incident
    kind: NoticeKind
    at: datetime


def open_from_dead_letter(letter: DeadLetterView, *, other: bool = False) -> Incident:
    """The incident that begins with this letter; `other`: one that collects what is told apart no
    more."""
    fingerprint = OTHERS_FINGERPRINT if other else letter.fingerprint
    return Incident(
        id=_incident_id(letter, fingerprint),
        pipeline=letter.pipeline,
        stage=letter.stage,
        fingerprint=fingerprint,
        error="various" if other else letter.error,
        title="failures of many other kinds" if other else letter.title,
        version=letter.version,
        opened=letter.time,
        last=letter.time,
        count=0,
        due=letter.time + GATHER_TIME,
        seen=letter.record.offset,
    )


def count_dead_letter(incident: Incident, letter: DeadLetterView) -> Incident:
    """The incident with one more failure."""
    return incident.model_copy(
        update={
            "count": incident.count + 1,
            "last": max(incident.last, letter.time),
            "version": letter.version or incident.version,
            "seen": max(incident.seen, letter.record.offset + 1),
        }
    )


def open_from_alert(alarm: AlertView, *, other: bool = False) -> Incident:
    """The incident that begins with this alert, before it is counted; `other`: one that collects
    what is told apart no more."""
    fingerprint = OTHERS_FINGERPRINT if other else alarm.fingerprint
    return Incident(
        id=_incident_id(alarm, fingerprint),
        pipeline=alarm.pipeline,
        stage=alarm.stage,
        fingerprint=fingerprint,
        error="various" if other else alarm.error,
        title="many more alerts" if other else alarm.title,
        version="",
        opened=alarm.since,
        last=alarm.time,
        count=0,
        due=alarm.time + GATHER_TIME,
        firing=0,
        run="" if other else alarm.run,
        seen=alarm.record.offset,
    )


def apply_alert(incident: Incident, alarm: AlertView) -> Incident:
    """The incident with what an alert says."""
    firing, one_more = int(alarm.firing), alarm.firing and not incident.count
    lanes, said = set(incident.lanes), alarm.text
    if alarm.lane is not None:
        (lanes.add if alarm.firing else lanes.discard)(alarm.lane)
        firing = len(lanes)
        if lanes and not alarm.firing:
            said = incident.said  # one lane goes on, and others do not
    if incident.fingerprint == OTHERS_FINGERPRINT:
        firing = max(0, (incident.firing or 0) + (1 if alarm.firing else -1))
        one_more = alarm.firing
    return incident.model_copy(
        update={
            "count": incident.count + one_more,
            "firing": firing,
            "lanes": tuple(sorted(lanes)),
            "said": said,
            "last": max(incident.last, alarm.time),
            "seen": max(incident.seen, alarm.record.offset + 1),
        }
    )


def next_notice(incident: Incident, now: datetime, alerts: AlertPolicy) -> NoticeIntent | None:
    """What is to be told of it by now."""
    if incident.resolved is not None or is_muted(incident, now):
        return None
    if incident.notices == 0:
        return NoticeIntent(incident, "opened", now) if now >= incident.due else None
    if is_quiet(incident, now, alerts):
        return NoticeIntent(incident, "resolved", now)
    if now < incident.due or incident.count == incident.told or incident.acknowledged_by:
        return None
    return NoticeIntent(incident, "growing", now)


def after_notice(said: NoticeIntent, alerts: AlertPolicy) -> Incident:
    """The incident once its word is written down: the next one comes after a growing interval."""
    incident = said.incident
    interval = alerts.digests[min(incident.notices, len(alerts.digests) - 1)]
    after = incident.model_copy(
        update={
            "told": incident.count,
            "notices": incident.notices + 1,
            "due": said.at + timedelta(seconds=interval),
        }
    )
    return resolve_incident(after, alerts) if said.kind == "resolved" else after


def resolve_incident(incident: Incident, alerts: AlertPolicy) -> Incident:
    """The incident, resolved."""
    quiet = timedelta(seconds=alerts.quiet) if incident.firing is None else timedelta()
    return incident.model_copy(update={"resolved": incident.last + quiet})


def is_quiet(incident: Incident, now: datetime, alerts: AlertPolicy) -> bool:
    """Has nothing failed for long enough? What fires is never quiet, until that is resolved."""
    if incident.firing is not None:
        return incident.firing == 0
    return now >= incident.last + timedelta(seconds=alerts.quiet)


def is_muted(incident: Incident, now: datetime) -> bool:
    return incident.muted_until is not None and now < incident.muted_until


def expired_keys(
    incidents: Iterable[Incident], now: datetime, keep: timedelta, most: int
) -> set[bytes]:
    """The keys of resolved incidents that are too old, or too many."""
    ended = sorted(
        (i for i in incidents if i.resolved is not None),
        key=lambda i: i.resolved or now,
        reverse=True,
    )
    return {i.key for n, i in enumerate(ended) if n >= most or (i.resolved or now) + keep < now}


def _incident_id(letter: DeadLetterView | AlertView, fingerprint: str) -> str:
    said = f"{letter.record.topic}/{letter.record.offset}/{fingerprint}".encode()
    return base64.b32encode(blake2b(said, digest_size=5).digest()).decode().lower()
