"""What is known of failures that belong together, and what was said about them?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

NoticeChannel = Literal["email", "webhook"]


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class IncidentSample(_FrozenModel):
    """One event that died, as it may be shown: personal fields are masked, and it is cut."""

    dead_topic: str
    dead_offset: int
    topic: str
    """Where the original stands; with partition and offset."""
    partition: int
    offset: int
    run: str
    key: str | None
    message: str
    data: str
    """JSON, indented; or a word in brackets where there is none to show."""
    failed: datetime


class Incident(_FrozenModel):
    """What `farandole.incidents` holds under the key `pipeline/stage/fingerprint`: the failures of
    a stage that have the same fingerprint, from the first one until it was quiet for a while; or an
    alert, from when it fires until it is resolved."""

    id: str
    """Short and typeable; another one whenever the same failure comes back after a resolution."""
    pipeline: str
    stage: str
    """Empty: an alert of the whole pipeline."""
    fingerprint: str
    """`others` for what exceeds the number of fingerprints that are told apart in a stage."""
    error: str
    """The exception's type, or the alert's kind."""
    title: str
    """The message with its variable parts removed."""
    version: str
    """The newest version under which it happened, `order-lines@7`."""
    opened: datetime
    last: datetime
    count: int
    """Events that died, or alerts."""
    told: int = 0
    """The count in the last notice."""
    notices: int = 0
    """How many were written: the next one's number."""
    due: datetime
    """Before that, no notice that it grows."""
    resolved: datetime | None = None
    acknowledged_by: str | None = None
    muted_until: datetime | None = None
    samples: tuple[IncidentSample, ...] = ()
    """The first and the newest one."""
    firing: int | None = None
    """Alerts that are not resolved; None: these are failures."""
    lanes: tuple[int, ...] = ()
    """Those for which it fires, where each lane of the stage has an alert of its own."""
    run: str = ""
    """That an alert is about."""
    said: str = ""
    """The newest alert's text."""
    seen: int
    """The offset in the dead-letter topic, or that of alerts, up to which (exclusive) everything is
    counted."""

    @property
    def key(self) -> bytes:
        return incident_key(self.pipeline, self.stage, self.fingerprint)


def incident_key(pipeline: str, stage: str, fingerprint: str) -> bytes:
    """Return the key of an incident's row in `farandole.incidents`."""
    return f"{pipeline}/{stage}/{fingerprint}".encode()


NoticeKind = Literal["opened", "growing", "resolved"]


class Notice(_FrozenModel):
    """What `farandole.outbox` holds under its id until it is delivered: frozen when it is written,
    so that every copy of it is the same."""

    id: str
    """The Message-ID, without its angle brackets; deterministic: incident and number."""
    incident: str
    pipeline: str
    kind: NoticeKind
    subject: str
    sender: str
    recipients: tuple[str, ...]
    """Those who have it not yet."""
    mail: str
    """RFC 5322, ASCII."""
    webhook: str | None = None
    payload: str = ""
    """What is posted to the webhook: JSON."""
    channels: tuple[NoticeChannel, ...]
    """In the order in which they are tried."""
    written: datetime
    attempts: int = 0
    """Counted before each: a notice with attempts may have been delivered already."""
    due: datetime | None = None
    """When it is tried again; None: now."""
    delivered: datetime | None = None
    """Kept for an hour after, so that notices an hour can be counted."""
    failures: Mapping[str, str] = {}
    """By channel or recipient, why the last attempt failed."""

    @property
    def key(self) -> bytes:
        return self.id.encode()
