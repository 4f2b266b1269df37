"""What can a person ask of the running system?

`farandole.control` holds these documents as JSON that can also be written with kcat, under any key
that says what it is about; `docs/control.md` shows each. A newer document in the log overrides an
older one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

CANCELLATION_LIFETIME = timedelta(days=7)
"""How long a run stays cancelled if the document does not say: as long as the ledger is kept."""
MAX_CANCELLED_RUNS = 10_000
"""How many runs can be cancelled at one time; beyond that the oldest are forgotten."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AcknowledgeDocument(_FrozenModel):
    """Somebody takes care of an incident: it sends no more digests until it is resolved."""

    do: Literal["acknowledge"] = "acknowledge"
    incident: str
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"acknowledge/{self.incident}".encode()


class MuteDocument(_FrozenModel):
    """No notice is sent about an incident, or about any of a stage, before `until`."""

    do: Literal["mute"] = "mute"
    pipeline: str = ""
    stage: str = ""
    incident: str = ""
    until: AwareDatetime
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"mute/{self.incident or f'{self.pipeline}/{self.stage}'}".encode()


class CancelDocument(_FrozenModel):
    """No event of a run is handled any more: events in flight are consumed and counted."""

    do: Literal["cancel"] = "cancel"
    run: str
    until: AwareDatetime | None = None
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"cancel/{self.run}".encode()


class _StageDocument(_FrozenModel):
    pipeline: str
    stage: str = ""
    """Empty for all stages of the pipeline."""
    until: AwareDatetime | None = None
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"pause/{self.pipeline}/{self.stage}".encode()

    def applies_to(self, pipeline: str, stage: str) -> bool:
        """Return True if the document names this stage or its whole pipeline."""
        return self.pipeline == pipeline and self.stage in ("", stage)


class PauseDocument(_StageDocument):
    """A stage takes no event from its inputs, and keeps its position in them."""

    do: Literal["pause"] = "pause"


class ResumeDocument(_StageDocument):
    """The stage goes on. It has the key of the pause, and so replaces it."""

    do: Literal["resume"] = "resume"


ControlDocument = (
    AcknowledgeDocument | MuteDocument | CancelDocument | PauseDocument | ResumeDocument
)

_DOCUMENT_ADAPTER: TypeAdapter[ControlDocument] = TypeAdapter(
    Annotated[ControlDocument, Field(discriminator="do")]
)


def parse_control(value: bytes) -> ControlDocument:
    """Return the document in a record. Raises pydantic's ValidationError if it is none of these."""
    return _DOCUMENT_ADAPTER.validate_json(value)


def serialize_control(control: ControlDocument) -> bytes:
    """Return the document as the value of a record."""
    return control.model_dump_json(exclude_defaults=False).encode()


def is_expired(control: ControlDocument, now: datetime) -> bool:
    """Return True if the document's `until` has passed."""
    return (
        not isinstance(control, AcknowledgeDocument)
        and control.until is not None
        and control.until <= now
    )


class TimedDocument(NamedTuple):
    """A document, with the time at which it was written."""

    control: ControlDocument
    at: datetime


def parse_control_or_none(value: bytes) -> ControlDocument | None:
    """Return the document in a record; None if it asks for nothing that we know."""
    try:
        return parse_control(value)
    except ValidationError:
        return None


def cancelled_runs(documents: Iterable[TimedDocument], now: datetime) -> dict[str, datetime]:
    """Return the runs that are cancelled, and until when. `documents`: in the order of the log."""
    found: dict[str, datetime] = {}
    for control, at in documents:
        if isinstance(control, CancelDocument):
            found.pop(control.run, None)
            found[control.run] = control.until or at + CANCELLATION_LIFETIME
    current = [(run, until) for run, until in found.items() if until > now]
    return dict(current[-MAX_CANCELLED_RUNS:])


def pause_in_force(
    documents: Sequence[TimedDocument], pipeline: str, stage: str, now: datetime
) -> TimedDocument | None:
    """Return the document that pauses a stage now; None if nothing does. `documents`: in the order
    of the log.

    Only the newest document of the stage and the newest of the whole pipeline count, also if others
    stand under other keys; of these two the newer one decides, unless it has expired.
    """
    replaced = set()
    for each in reversed(documents):
        control = each.control
        if not isinstance(control, PauseDocument | ResumeDocument) or not control.applies_to(
            pipeline, stage
        ):
            continue
        if control.key not in replaced and not is_expired(control, now):
            return each if isinstance(control, PauseDocument) else None
        replaced.add(control.key)
    return None
