"""What do the rows of incidents and of notices about them look like?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from farandole.events.incident_severity import (
    FAILURE_KIND,
    IncidentSeverity,
    incident_severity,
)
from farandole.events.record_time import RowTime
from farandole.events.row_model import RowModel

NoticeChannel = Literal["email", "webhook"]


class IncidentSample(RowModel):
    """One event that died, in a form that may be shown: personal fields are masked, and long data
    are cut."""

    dead_topic: str
    dead_offset: int
    topic: str
    """The topic of the original; `partition` and `offset` complete its position."""
    partition: int
    offset: int
    run: str
    key: str | None
    message: str
    data: str
    """Indented JSON, or a word in brackets if there is nothing to show."""
    failed: RowTime


class IncidentMoment(RowModel):
    """Something that happened to an incident."""

    at: RowTime
    what: str
    """`opened`, `grew`, `told`, `acknowledged`, `muted`, `unmuted` or `resolved`."""
    by: str = ""
    """Who did it; of `told`, who was told: addresses, or `webhook`."""
    text: str = ""
    """Of `opened`, what happened; of `grew`, how far; of `told`, the kind of the notice; else what
    a person has noted."""
    until: RowTime | None = None
    """Of `muted`: until when."""


MAX_MOMENTS = 40
"""The newest moments that an incident keeps, also those of the one that it has replaced."""


class Incident(RowModel):
    """The row in `farandole.incidents` under the key `pipeline/stage/fingerprint`: the failures of
    a stage that have the same fingerprint, from the first one until it was quiet for a while; or an
    alert, from when it fires until it is resolved."""

    id: str
    """A short id that can be typed; a new one when the same failure comes back after a
    resolution."""
    pipeline: str
    stage: str
    """Empty for an alert of the whole pipeline."""
    fingerprint: str
    """`others` for all failures beyond the number of fingerprints that a stage may
    have."""
    error: str
    """The type of the exception, or the kind of the alert."""
    title: str
    """The message with its variable parts removed."""
    version: str
    """The newest version under which it happened, `order-lines@7`."""
    opened: RowTime
    last: RowTime
    count: int
    """How many events died, or alerts fired."""
    told: int = 0
    """The count in the last notice."""
    notices: int = 0
    """How many notices were written; the next one has this number."""
    due: RowTime
    """No notice that the incident grows is sent before this time."""
    resolved: RowTime | None = None
    acknowledged_by: str | None = None
    muted_until: RowTime | None = None
    samples: tuple[IncidentSample, ...] = ()
    """The first and the newest event."""
    firing: int | None = None
    """The number of alerts that are not resolved; None for failures."""
    lanes: tuple[int, ...] = ()
    """The lanes for which it fires, if each lane of the stage has an alert of its own."""
    run: str = ""
    """The run that an alert is about."""
    schedule: str = ""
    """The schedule that an alert is about."""
    said: str = ""
    """The text of the newest alert."""
    facts: tuple[tuple[str, str], ...] = ()
    """What else people are to know of an alert, each with its name."""
    usual_until: RowTime | None = None
    """When all was as usual last: what happened since then may be the cause. None if that is not
    known."""
    history: tuple[IncidentMoment, ...] = ()
    """The newest MAX_MOMENTS moments, the oldest first; also those of the incident that had the
    same key before. Empty in rows of older releases."""
    severity: IncidentSeverity | None = None
    """By its kind, as the file said when it was opened; None in rows of older releases."""
    chain_since: RowTime | None = None
    """When the first notice was written, from which the chain of its route counts; None before."""
    steps: int = 0
    """How many steps of the chain have been told; repetitions are not counted."""
    escalated: RowTime | None = None
    """When the last step was told, also again."""
    owed: bool = False
    """True if it is resolved, and people have yet to be told: in a digest, or when quiet hours are
    over."""
    seen: int
    """The offset in the dead-letter topic, or in that of alerts, before which everything is
    counted."""

    @property
    def key(self) -> bytes:
        return incident_key(self.pipeline, self.stage, self.fingerprint)

    @property
    def kind(self) -> str:
        """The kind of its alert, such as `stage.held`; `dead` for failures."""
        return FAILURE_KIND if self.firing is None else self.error

    @property
    def effective_severity(self) -> IncidentSeverity:
        """Its severity; the default of its kind in rows of older releases."""
        return self.severity or incident_severity(self.kind)


def with_moment(incident: Incident, moment: IncidentMoment) -> Incident:
    """Return the incident with one more moment in its history."""
    history = (*incident.history, moment)[-MAX_MOMENTS:]
    return incident.model_copy(update={"history": history})


def incident_key(pipeline: str, stage: str, fingerprint: str) -> bytes:
    """Return the key of an incident's row in `farandole.incidents`."""
    return f"{pipeline}/{stage}/{fingerprint}".encode()


NoticeKind = Literal["opened", "growing", "resolved"]


class Notice(RowModel):
    """The row in `farandole.outbox` under its id, until it is delivered. It does not change once it
    is written, so that every copy that is sent is the same."""

    id: str
    """The Message-ID, without its angle brackets; deterministic: incident and number."""
    incident: str
    pipeline: str
    kind: NoticeKind
    subject: str
    sender: str
    recipients: tuple[str, ...]
    """The recipients that it has not reached yet."""
    mail: str
    """The whole mail: RFC 5322, ASCII."""
    webhook: str | None = None
    payload: str = ""
    """The JSON that is posted to the webhook."""
    channels: tuple[NoticeChannel, ...]
    """The channels, in the order in which they are tried."""
    written: RowTime
    attempts: int = 0
    """Counted before each attempt: a notice with attempts may have been delivered already."""
    due: RowTime | None = None
    """When it is tried again; None for now."""
    delivered: RowTime | None = None
    """When it was delivered. The row is kept for an hour after that, to count notices by hour."""
    failures: Mapping[str, str] = {}
    """Why the last attempt failed, by channel or recipient."""

    @property
    def key(self) -> bytes:
        return self.id.encode()
