"""Which incidents exist, and what has changed since they were last written?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.events.control_documents import AcknowledgeDocument, ControlDocument, MuteDocument
from farandole.events.incident_record import (
    Incident,
    IncidentMoment,
    Notice,
    NoticeKind,
    incident_key,
    with_moment,
)
from farandole.events.safe_text import single_line
from farandole.events.topology_version import AlertPolicy
from farandole.notifier import escalation, incident_lifecycle
from farandole.notifier.alert_routing import matching_route
from farandole.notifier.alert_view import AlertView
from farandole.notifier.dead_letter_view import DeadLetterView, build_sample
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.incident_lifecycle import OTHERS_FINGERPRINT, NoticeIntent
from farandole.notifier.notice_outbox import NoticeOutbox
from farandole.notifier.notice_time import held_until

KEEP_RESOLVED = timedelta(days=7)
"""How long a resolved incident can still be listed."""
MAX_RESOLVED = 500
"""The most resolved incidents that are kept, whatever their age."""
MAX_MUTES = 1_000


class IncidentChanges(NamedTuple):
    """The changed rows of the notifier's two tables, by key; None deletes a row."""

    incidents: Mapping[bytes, Incident | None]
    notices: Mapping[bytes, Notice | None]
    to_send: tuple[Notice, ...]
    """The attempts to start once the rows are committed."""


@dataclass(slots=True)
class IncidentStore:
    """The notifier's state: incidents, mutes, and the outbox of notices.

    It has no clock and does no I/O. The notifier's lane passes in events and times, and commits the
    changes that `take_changes` returns. After a failed transaction, `restore` replaces the state by
    the committed rows.
    """

    alert_policy: Callable[[str], AlertPolicy]
    """Returns the alert policy of a pipeline."""
    compose: Callable[[NoticeIntent, Sequence[Incident]], Notice | None]
    """Writes the intended notice, with a summary of the other given incidents. Returns None if the
    pipeline's policy has no recipient for it."""
    incidents: dict[bytes, Incident] = field(default_factory=dict)
    outbox: NoticeOutbox = field(default_factory=NoticeOutbox)
    mutes: dict[tuple[str, str], MuteDocument] = field(default_factory=dict)
    """By pipeline and stage."""
    _open_kinds: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    """By pipeline and stage: the keys of its open incidents, except for the one that collects
    others. The policy limits their number."""
    _newest_letters: dict[bytes, DeadLetterView] = field(default_factory=dict)
    """By incident: the dead letter that becomes its second sample."""
    _changed: dict[bytes, None] = field(default_factory=dict)
    """Keys of incidents, in the order in which they changed first."""

    def restore(
        self, rows: Iterable[Incident], notices: Iterable[Notice], mutes: Iterable[MuteDocument]
    ) -> None:
        """Replace all state by the rows that the last owner committed."""
        self.incidents, self._open_kinds = {}, {}
        for row in rows:
            self._store(row.key, row)
        self.outbox.restore(notices)
        self.mutes = {}
        for mute in mutes:
            self._store_mute(mute)
        self._newest_letters, self._changed = {}, {}

    def add_dead_letter(self, letter: DeadLetterView) -> None:
        """Count a dead letter in its incident, and open the incident if there is none."""
        key, before = self._incident_for_letter(letter)
        if before is not None and self._is_counted(before, letter):
            return
        if before is not None:
            self._notify_if_due(key, letter.time)
        incident = self.incidents.get(key)
        if incident is not None and incident.owed:
            incident = incident_lifecycle.reopen(incident, letter.time)
        if incident is None or incident.resolved is not None:
            self._newest_letters.pop(key, None)
            incident = incident_lifecycle.open_from_dead_letter(
                letter, collects_others=_is_others_key(key)
            )
            mute = self.mutes.get((letter.pipeline, letter.stage))
            incident = incident.model_copy(
                update={
                    "samples": (build_sample(letter),),
                    "muted_until": mute.until if mute else None,
                }
            )
            policy = self.alert_policy(letter.pipeline)
            incident = incident_lifecycle.with_severity(incident, policy)
            incident = _opened(incident, before, incident.title)
        else:
            self._newest_letters[key] = letter
        self._store(key, incident_lifecycle.count_dead_letter(incident, letter))
        self._notify_if_due(key, letter.time)

    def add_alert(self, alert: AlertView) -> None:
        """Apply an alert that fires or is resolved to its incident."""
        key = self._incident_for_alert(alert)
        before = self.incidents.get(key)
        if before is not None and self._is_counted(before, alert):
            return
        if before is not None:
            self._notify_if_due(key, alert.time)
        incident, policy = self.incidents.get(key), self.alert_policy(alert.pipeline)
        if incident is not None and incident.owed and alert.firing:
            incident = incident_lifecycle.reopen(incident, alert.time)
        if incident is None or incident.resolved is not None:
            if not alert.firing:
                return  # its incident is deleted, or the same end was reported twice
            mute = self.mutes.get((alert.pipeline, alert.stage))
            incident = incident_lifecycle.open_from_alert(
                alert, collects_others=_is_others_key(key)
            )
            incident = incident.model_copy(update={"muted_until": mute.until if mute else None})
            incident = incident_lifecycle.with_severity(incident, policy)
            incident = _opened(incident, before, alert.text)
        elif alert.lane is not None and alert.firing and alert.lane not in incident.lanes:
            grown = IncidentMoment(at=alert.time, what="grew", text=f"lane {alert.lane} too")
            incident = with_moment(incident, grown)
        incident = incident_lifecycle.apply_alert(incident, alert)
        if not incident.firing and not incident.notices:
            # It ended before its first notice. Unless that waits for its hour, none is written.
            owed = incident_lifecycle.is_worth_telling(incident, policy, alert.time)
            incident = incident_lifecycle.resolve_incident(incident, policy, owed=owed)
        self._store(key, incident)
        self._notify_if_due(key, alert.time)

    def apply_control(self, control: ControlDocument, at: datetime) -> None:
        """Apply an acknowledge or mute document from the control topic, written at `at`; ignore
        other documents."""
        if isinstance(control, MuteDocument):
            self._store_mute(control)
        for key, incident in list(self.incidents.items()):
            if isinstance(control, AcknowledgeDocument):
                if incident.id == control.incident and incident.resolved is None:
                    changed = incident.model_copy(update={"acknowledged_by": control.by})
                    self._store(key, with_moment(changed, _moment_of(control, at)))
            elif isinstance(control, MuteDocument) and _mute_applies(control, incident):
                changed = incident.model_copy(update={"muted_until": control.until})
                self._store(key, with_moment(changed, _moment_of(control, at)))

    def finish_attempt(self, key: bytes, attempt: AttemptResult, now: datetime) -> None:
        """Store the result of an attempt to deliver a notice."""
        notice = self.outbox.notices.get(key)
        is_new = notice is not None and notice.delivered is None
        self.outbox.finish_attempt(key, attempt, now)
        if notice is None or not is_new or not attempt.delivered:
            return
        told = IncidentMoment(
            at=now, what="told", by=", ".join(attempt.delivered), text=notice.kind
        )
        for incident_row, incident in self.incidents.items():
            if incident.id == notice.incident:
                self._store(incident_row, with_moment(incident, told))
                return

    def advance_time(self, now: datetime) -> None:
        """Write the notices that are due at `now`, and delete incidents that were resolved long
        ago. The caller has read every dead letter and alert up to `now`."""
        for key in sorted(self.incidents, key=lambda k: self.incidents[k].opened):
            self._notify_if_due(key, now)
        for key in incident_lifecycle.expired_keys(
            self.incidents.values(), now, KEEP_RESOLVED, MAX_RESOLVED
        ):
            del self.incidents[key]
            self._changed[key] = None

    def take_changes(self) -> IncidentChanges | None:
        """Return the changes since the last call; None if there are none."""
        if not (self._changed or self.outbox.has_changes()):
            return None
        for key in self._changed:
            self._update_second_sample(key)
        notices, to_send = self.outbox.take_changes()
        changes = IncidentChanges(
            {key: self.incidents.get(key) for key in self._changed}, notices, to_send
        )
        self._changed = {}
        return changes

    def _incident_for_letter(self, letter: DeadLetterView) -> tuple[bytes, Incident | None]:
        """Return the key and the incident of a dead letter; the incident is None if it is not open
        yet."""
        stage = (letter.pipeline, letter.stage)
        key = incident_key(*stage, letter.fingerprint)
        incident = self.incidents.get(key)
        if incident is not None and incident.resolved is None:
            return key, incident
        if not self._is_full(letter.pipeline, letter.stage):
            return key, incident
        key = incident_key(*stage, OTHERS_FINGERPRINT)
        return key, self.incidents.get(key)

    def _incident_for_alert(self, alert: AlertView) -> bytes:
        """Return the key of the incident that an alert belongs to.

        A stage has few kinds of alerts, so each has its incident. Alerts about runs have no stage,
        and there can be many: the policy's limit of open incidents applies to them."""
        key = incident_key(alert.pipeline, alert.stage, alert.fingerprint)
        own = self.incidents.get(key)
        if alert.stage or (own is not None and own.resolved is None):
            return key
        others = incident_key(alert.pipeline, "", OTHERS_FINGERPRINT)
        if alert.firing:
            return others if self._is_full(alert.pipeline, "") else key
        collecting = self.incidents.get(others)
        return key if collecting is None or collecting.resolved is not None else others

    def _is_full(self, pipeline: str, stage: str) -> bool:
        """Return True if a stage has as many open incidents as its policy allows."""
        open_kinds = self._open_kinds.get((pipeline, stage), ())
        return len(open_kinds) >= self.alert_policy(pipeline).fingerprints

    def _is_counted(self, incident: Incident, view: DeadLetterView | AlertView) -> bool:
        """Return True if the record is already counted. Its offset alone does not prove that,
        because somebody may have deleted and created the topic again. So the time is compared as
        well."""
        return view.record.offset < incident.seen and view.time <= incident.last

    def _store(self, key: bytes, incident: Incident) -> None:
        if self.incidents.get(key) is incident:
            return
        self.incidents[key] = incident
        self._changed[key] = None
        if incident.firing is not None and incident.stage:
            return  # a stage's alerts do not count against the limit of its failures
        open_kinds = self._open_kinds.setdefault((incident.pipeline, incident.stage), set())
        if incident.resolved is None and incident.fingerprint != OTHERS_FINGERPRINT:
            open_kinds.add(key)
        else:
            open_kinds.discard(key)

    def _store_mute(self, mute: MuteDocument) -> None:
        if mute.stage:
            self.mutes[mute.pipeline, mute.stage] = mute
            while len(self.mutes) > MAX_MUTES:
                self.mutes.pop(next(iter(self.mutes)))

    def _notify_if_due(self, key: bytes, now: datetime) -> None:
        """Write the next notice of an incident if one is due and its pipeline may have one more."""
        incident = self.incidents[key]
        if incident.resolved is not None and not incident.owed:
            return
        policy = self.alert_policy(incident.pipeline)
        is_muted = incident_lifecycle.is_muted(incident, now)
        if is_muted or held_until(incident, policy, now) is not None:
            if incident_lifecycle.is_quiet(incident, now, policy):
                ended = incident_lifecycle.resolve_incident(incident, policy, owed=not is_muted)
                self._store(key, ended)
            return
        intent = incident_lifecycle.next_notice(incident, now, policy)
        allowance = self.outbox.allowance(incident.pipeline, policy.per_hour, now)
        if allowance <= 0:
            return
        if intent is None:
            self._escalate_if_due(key, now, policy)
            self._store(key, incident_lifecycle.after_digest(self.incidents[key], now, policy))
            return
        self._update_second_sample(key)
        intent = intent._replace(
            incident=self.incidents[key], meanwhile=self._opened_meanwhile(self.incidents[key])
        )
        digested = self._due_in_digest(incident, now, policy)
        others: list[Incident] = [each.incident for each in digested]
        if allowance == 1:
            # If no further notice is allowed now, this one also lists the other incidents.
            ids = {each.id for each in others}
            unreported = self._unreported_incidents(incident.pipeline, key)
            others += [each for each in unreported if each.id not in ids]
        notice = self.compose(intent, others)
        for told in (intent, *digested):
            self._store(told.incident.key, incident_lifecycle.after_notice(told, policy))
        if notice is not None:
            self.outbox.add(notice)
        for told in (intent, *digested):
            if told.kind == "resolved":
                self._tell_further(told.incident.key, told, policy)

    def _escalate_if_due(self, key: bytes, now: datetime, policy: AlertPolicy) -> None:
        """Write the notice of the next step of the chain, if nobody has acknowledged the incident
        in time."""
        incident = self.incidents[key]
        route = matching_route(policy, incident)
        step = None if route is None else escalation.next_step(incident, route)
        if step is None or now < step.at:
            return
        self._update_second_sample(key)
        incident = self.incidents[key]
        note = f"Nobody has acknowledged it yet: this is step {step.number} of its chain."
        kind: NoticeKind = "growing" if step.repeats else "opened"
        notice = self.compose(NoticeIntent(incident, kind, now, to=step.to, note=note), ())
        self._store(key, escalation.after_step(incident, step, now))
        if notice is not None:
            self.outbox.add(notice)

    def _tell_further(self, key: bytes, intent: NoticeIntent, policy: AlertPolicy) -> None:
        """Write the notices by which those know the end whom the chain has told."""
        route = matching_route(policy, intent.incident)
        for to in () if route is None else escalation.told_further(intent.incident, route):
            incident = self.incidents[key]
            notice = self.compose(intent._replace(incident=incident, to=to), ())
            self._store(key, incident.model_copy(update={"notices": incident.notices + 1}))
            if notice is not None:
                self.outbox.add(notice)

    def _due_in_digest(
        self, first: Incident, now: datetime, policy: AlertPolicy
    ) -> list[NoticeIntent]:
        """Return what else the digest tells that `first` begins: what the same route takes. Empty
        if `first` is no part of a digest."""
        if first.effective_severity != "digest":
            return []
        route = matching_route(policy, first)
        found = [
            incident_lifecycle.next_notice(each, now, policy)
            for each in self.incidents.values()
            if each.id != first.id
            and each.pipeline == first.pipeline
            and each.effective_severity == "digest"
            and matching_route(policy, each) == route
        ]
        return sorted((i for i in found if i is not None), key=lambda i: i.incident.opened)

    def _unreported_incidents(self, pipeline: str, except_key: bytes) -> list[Incident]:
        """Return the open incidents of a pipeline that grew since their last notice, without the
        one under `except_key`. The one that grew most comes first."""
        found = [
            incident
            for key, incident in self.incidents.items()
            if key != except_key
            and incident.pipeline == pipeline
            and incident.resolved is None
            and incident.count > incident.told
        ]
        return sorted(found, key=lambda i: i.told - i.count)

    def _opened_meanwhile(self, incident: Incident) -> list[Incident]:
        """Return the other incidents of a pipeline that were opened since all was as usual last,
        the oldest first; none where that is not known."""
        since = incident.usual_until
        found = [
            each
            for each in self.incidents.values()
            if since is not None
            and each.pipeline == incident.pipeline
            and each.id != incident.id
            and since <= each.opened <= incident.opened
        ]
        return sorted(found, key=lambda each: each.opened)

    def _update_second_sample(self, key: bytes) -> None:
        """Make the newest dead letter the second sample of an incident. This is done only before a
        row or a notice is written, because it is slow to build a sample."""
        letter = self._newest_letters.pop(key, None)
        incident = self.incidents.get(key)
        if letter is not None and incident is not None:
            samples = (*incident.samples[:1], build_sample(letter))
            self.incidents[key] = incident.model_copy(update={"samples": samples})


def _opened(incident: Incident, before: Incident | None, text: str) -> Incident:
    """Return a new incident whose history says that it was opened, after what happened to the one
    that had its key."""
    earlier = incident.model_copy(update={"history": before.history if before else ()})
    return with_moment(earlier, IncidentMoment(at=incident.opened, what="opened", text=text))


def _moment_of(control: AcknowledgeDocument | MuteDocument, at: datetime) -> IncidentMoment:
    by, text = single_line(control.by)[:200], single_line(control.comment)[:1000]
    if isinstance(control, AcknowledgeDocument):
        return IncidentMoment(at=at, what="acknowledged", by=by, text=text)
    if control.until <= at:
        return IncidentMoment(at=at, what="unmuted", by=by, text=text)
    return IncidentMoment(at=at, what="muted", by=by, text=text, until=control.until)


def _is_others_key(key: bytes) -> bool:
    return key.endswith(f"/{OTHERS_FINGERPRINT}".encode())


def _mute_applies(mute: MuteDocument, incident: Incident) -> bool:
    if incident.resolved is not None:
        return False
    if mute.incident:
        return incident.id == mute.incident
    return (incident.pipeline, incident.stage) == (mute.pipeline, mute.stage)
