"""Which incidents and notices are there, and what has changed since they were last written down?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.broker.backoff import Backoff
from farandole.events.control_documents import AcknowledgeDocument, ControlDocument, MuteDocument
from farandole.events.incident_record import Incident, Notice
from farandole.events.topology_version import AlertPolicy
from farandole.notifier import incident_lifecycle
from farandole.notifier.alert_view import AlertView
from farandole.notifier.dead_letter_view import DeadLetterView, build_sample
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.incident_lifecycle import OTHERS_FINGERPRINT, NoticeIntent

HOUR = timedelta(hours=1)
KEEP_RESOLVED = timedelta(days=7)
"""For so long a resolved incident can be shown."""
MAX_RESOLVED = 500
"""Resolved incidents that are kept, whatever their age."""
MAX_MUTES = 1_000
MAX_WAITING_NOTICES = 200
"""Notices of a pipeline that wait to be delivered; beyond it none is written."""
DELIVERY_BACKOFF = Backoff(first=15.0, longest=900.0)
"""Between two attempts to send one notice."""


class IncidentChanges(NamedTuple):
    """Rows of the two tables; None: no more."""

    incidents: Mapping[bytes, Incident | None]
    notices: Mapping[bytes, Notice | None]
    to_send: tuple[Notice, ...]
    """Once the rows are committed."""


@dataclass(slots=True)
class IncidentStore:
    """`alerts` by pipeline; `composed` makes of a word, and of others that are told in passing, a
    notice, or None where nobody is to be told."""

    alerts: Callable[[str], AlertPolicy]
    composed: Callable[[NoticeIntent, Sequence[Incident]], Notice | None]
    incidents: dict[bytes, Incident] = field(default_factory=dict)
    notices: dict[bytes, Notice] = field(default_factory=dict)
    mutes: dict[tuple[str, str], MuteDocument] = field(default_factory=dict)
    """By pipeline and stage."""
    sending: set[bytes] = field(default_factory=set)
    """The notices of which an attempt is being made in this process."""
    _told_apart: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    """By pipeline and stage, the open incidents but the one of all others."""
    _newest: dict[bytes, DeadLetterView] = field(default_factory=dict)
    """By incident, the letter of which its second sample is to be made."""
    _changed: dict[bytes, None] = field(default_factory=dict)
    _renoticed: dict[bytes, None] = field(default_factory=dict)
    """Keys, in the order in which they changed first."""
    _to_send: dict[bytes, Notice] = field(default_factory=dict)

    def restored(
        self, rows: Iterable[Incident], notices: Iterable[Notice], mutes: Iterable[MuteDocument]
    ) -> None:
        """Begin with what was committed."""
        self.incidents, self._told_apart = {}, {}
        for row in rows:
            self._keep(row.key, row)
        self.notices = {notice.key: notice for notice in notices}
        self.mutes = {}
        for mute in mutes:
            self._mute(mute)
        self._newest, self._changed, self._renoticed, self._to_send = {}, {}, {}, {}

    # -- what happens

    def died(self, letter: DeadLetterView) -> None:
        """One more event has died."""
        key, before = self._of(letter)
        if before is not None and self._counted(before, letter):
            return
        if before is not None:
            self._tell(key, letter.time)
        incident = self.incidents.get(key)
        if incident is None or incident.resolved is not None:
            self._newest.pop(key, None)
            incident = incident_lifecycle.open_from_dead_letter(
                letter, other=key.endswith(f"/{OTHERS_FINGERPRINT}".encode())
            )
            mute = self.mutes.get((letter.pipeline, letter.stage))
            incident = incident.model_copy(
                update={
                    "samples": (build_sample(letter),),
                    "muted_until": mute.until if mute else None,
                }
            )
        else:
            self._newest[key] = letter
        self._keep(key, incident_lifecycle.count_dead_letter(incident, letter))
        self._tell(key, letter.time)

    def heard(self, alarm: AlertView) -> None:
        """An alert fires, or is resolved."""
        key = self._alarmed(alarm)
        before = self.incidents.get(key)
        if before is not None and self._counted(before, alarm):
            return
        if before is not None:
            self._tell(key, alarm.time)
        incident = self.incidents.get(key)
        if incident is None or incident.resolved is not None:
            if not alarm.firing:
                return  # the incident is forgotten, or somebody tells it again
            mute = self.mutes.get((alarm.pipeline, alarm.stage))
            incident = incident_lifecycle.open_from_alert(
                alarm, other=key.endswith(f"/{OTHERS_FINGERPRINT}".encode())
            )
            incident = incident.model_copy(update={"muted_until": mute.until if mute else None})
        incident = incident_lifecycle.apply_alert(incident, alarm)
        if not incident.firing and not incident.notices:
            # Over before it was told: nobody needs to know.
            incident = incident_lifecycle.resolve_incident(incident, self.alerts(incident.pipeline))
        self._keep(key, incident)
        self._tell(key, alarm.time)

    def asked(self, control: ControlDocument) -> None:
        """A person has a wish."""
        if isinstance(control, MuteDocument):
            self._mute(control)
        for key, incident in list(self.incidents.items()):
            if isinstance(control, AcknowledgeDocument):
                if incident.id == control.incident and incident.resolved is None:
                    self._keep(key, incident.model_copy(update={"acknowledged_by": control.by}))
            elif isinstance(control, MuteDocument) and _mute_applies(control, incident):
                self._keep(key, incident.model_copy(update={"muted_until": control.until}))

    def passed(self, now: datetime) -> None:
        """It is now; no letter is unread."""
        for key in sorted(self.incidents, key=lambda k: self.incidents[k].opened):
            self._tell(key, now)
        for key in incident_lifecycle.expired_keys(
            self.incidents.values(), now, KEEP_RESOLVED, MAX_RESOLVED
        ):
            del self.incidents[key]
            self._changed[key] = None

    def sent(self, notice: Notice) -> None:
        """An attempt begins: what was counted for it is committed."""
        self.sending.add(notice.key)

    def tried(self, key: bytes, attempt: AttemptResult, now: datetime) -> None:
        """An attempt has ended."""
        self.sending.discard(key)
        notice = self.notices.get(key)
        if notice is None or notice.delivered is not None:
            return
        if not attempt.made:
            self._note(key, notice.model_copy(update={"attempts": notice.attempts - 1}))
            return
        said = {"failures": dict(attempt.failures)}
        if attempt.left is None:
            self._note(key, notice.model_copy(update=said | {"delivered": now, "due": None}))
        else:
            later = now + timedelta(seconds=DELIVERY_BACKOFF.longest_delay(notice.attempts))
            rest = {"recipients": attempt.left.recipients, "due": later}
            self._note(key, notice.model_copy(update=said | rest))

    def due(self, now: datetime) -> None:
        """Try again what is to be tried again; forget what was delivered some time ago."""
        for key, notice in list(self.notices.items()):
            if notice.delivered is not None:
                if notice.written + HOUR < now and notice.delivered + HOUR < now:
                    del self.notices[key]
                    self._renoticed[key] = None
            elif key in self.sending or key in self._to_send:
                continue
            elif notice.due is None or notice.due <= now:
                self._try(key, notice)

    def taken(self) -> IncidentChanges | None:
        """What has changed since this was last called; None: nothing."""
        if not (self._changed or self._renoticed or self._to_send):
            return None
        for key in self._changed:
            self._sample(key)
        changes = IncidentChanges(
            {key: self.incidents.get(key) for key in self._changed},
            {key: self.notices.get(key) for key in self._renoticed},
            tuple(self._to_send.values()),
        )
        self._changed, self._renoticed, self._to_send = {}, {}, {}
        return changes

    # -- inside

    def _of(self, letter: DeadLetterView) -> tuple[bytes, Incident | None]:
        """The incident to which a letter belongs, and how it stands."""
        stage = (letter.pipeline, letter.stage)
        key = f"{letter.pipeline}/{letter.stage}/{letter.fingerprint}".encode()
        incident = self.incidents.get(key)
        if incident is not None and incident.resolved is None:
            return key, incident
        if len(self._told_apart.get(stage, ())) < self.alerts(letter.pipeline).fingerprints:
            return key, incident
        key = f"{letter.pipeline}/{letter.stage}/{OTHERS_FINGERPRINT}".encode()
        return key, self.incidents.get(key)

    def _alarmed(self, alarm: AlertView) -> bytes:
        """The incident to which an alert belongs. A stage has few kinds of them; of the runs of a
        pipeline as many are told apart as failures of a stage."""
        key = f"{alarm.pipeline}/{alarm.stage}/{alarm.fingerprint}".encode()
        own = self.incidents.get(key)
        if alarm.stage or (own is not None and own.resolved is None):
            return key
        others = f"{alarm.pipeline}//{OTHERS_FINGERPRINT}".encode()
        if alarm.firing:
            told_apart = self._told_apart.get((alarm.pipeline, ""), ())
            return others if len(told_apart) >= self.alerts(alarm.pipeline).fingerprints else key
        collected = self.incidents.get(others)
        return key if collected is None or collected.resolved is not None else others

    def _counted(self, incident: Incident, letter: DeadLetterView | AlertView) -> bool:
        """Has it been counted already? Offsets alone do not tell: a topic may be made anew."""
        return letter.record.offset < incident.seen and letter.time <= incident.last

    def _keep(self, key: bytes, incident: Incident) -> None:
        if self.incidents.get(key) is incident:
            return
        self.incidents[key] = incident
        self._changed[key] = None
        if incident.firing is not None and incident.stage:
            return  # it takes no failure's place
        told_apart = self._told_apart.setdefault((incident.pipeline, incident.stage), set())
        if incident.resolved is None and incident.fingerprint != OTHERS_FINGERPRINT:
            told_apart.add(key)
        else:
            told_apart.discard(key)

    def _mute(self, mute: MuteDocument) -> None:
        if mute.stage:
            self.mutes[mute.pipeline, mute.stage] = mute
            while len(self.mutes) > MAX_MUTES:
                self.mutes.pop(next(iter(self.mutes)))

    def _tell(self, key: bytes, now: datetime) -> None:
        incident = self.incidents[key]
        alerts = self.alerts(incident.pipeline)
        if incident.resolved is None and incident_lifecycle.is_muted(incident, now):
            if incident_lifecycle.is_quiet(incident, now, alerts):
                self._keep(key, incident_lifecycle.resolve_incident(incident, alerts))
            return
        word = incident_lifecycle.next_notice(incident, now, alerts)
        left = self._left(word) if word else 0
        if word is None or left <= 0:
            return
        self._sample(key)
        word = word._replace(incident=self.incidents[key])
        notice = self.composed(word, self._untold(incident.pipeline, key) if left == 1 else ())
        self._keep(key, incident_lifecycle.after_notice(word, alerts))
        if notice is not None:
            self._try(notice.key, notice)

    def _left(self, word: NoticeIntent) -> int:
        """How many notices of its pipeline may be written now: so many in an hour, and so many that
        wait for a mail server. What cannot be told now grows, and is told later."""
        pipeline = word.incident.pipeline
        of_pipeline = [n for n in self.notices.values() if n.pipeline == pipeline]
        lately = sum(1 for n in of_pipeline if n.written > word.at - HOUR)
        waiting = sum(1 for n in of_pipeline if n.delivered is None)
        return min(self.alerts(pipeline).per_hour - lately, MAX_WAITING_NOTICES - waiting)

    def _untold(self, pipeline: str, but: bytes) -> list[Incident]:
        """What a pipeline's last notice for now tells in passing."""
        found = [
            incident
            for key, incident in self.incidents.items()
            if key != but
            and incident.pipeline == pipeline
            and incident.resolved is None
            and incident.count > incident.told
        ]
        return sorted(found, key=lambda i: i.told - i.count)

    def _sample(self, key: bytes) -> None:
        """The second sample is the newest letter."""
        letter = self._newest.pop(key, None)
        incident = self.incidents.get(key)
        if letter is not None and incident is not None:
            samples = (*incident.samples[:1], build_sample(letter))
            self.incidents[key] = incident.model_copy(update={"samples": samples})

    def _note(self, key: bytes, notice: Notice) -> None:
        self.notices[key] = notice
        self._renoticed[key] = None

    def _try(self, key: bytes, notice: Notice) -> None:
        """Counted before it is made: so a notice that may have arrived is known by its attempts."""
        trying = notice.model_copy(update={"attempts": notice.attempts + 1, "due": None})
        self._note(key, trying)
        self._to_send[key] = trying


def _mute_applies(mute: MuteDocument, incident: Incident) -> bool:
    if incident.resolved is not None:
        return False
    if mute.incident:
        return incident.id == mute.incident
    return (incident.pipeline, incident.stage) == (mute.pipeline, mute.stage)
