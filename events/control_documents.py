"""What may a person ask of the running system?

`farandole.control` holds these as JSON that can be written with kcat, under any key that says what
it is about; `docs/control.md` shows each. What is newer in the log holds against what is older.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

CANCELLATION_LIFETIME = timedelta(days=7)
"""A run stays cancelled so long, as the ledger is kept, where the document says nothing else."""
MAX_CANCELLED_RUNS = 10_000
"""Runs that are cancelled at one time; beyond that the oldest are forgotten."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AcknowledgeDocument(_FrozenModel):
    """Somebody takes care: an incident sends no more digests until it is resolved."""

    do: Literal["acknowledge"] = "acknowledge"
    incident: str
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"acknowledge/{self.incident}".encode()


class MuteDocument(_FrozenModel):
    """Nothing is sent of an incident, or of all of a stage, until then."""

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
    """No event of a run is handled any more: what is in flight is consumed, and counted."""

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
    """None: all stages of the pipeline."""
    until: AwareDatetime | None = None
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"pause/{self.pipeline}/{self.stage}".encode()

    def applies_to(self, pipeline: str, stage: str) -> bool:
        return self.pipeline == pipeline and self.stage in ("", stage)


class PauseDocument(_StageDocument):
    """A stage takes no event from its inputs, and keeps its place in them."""

    do: Literal["pause"] = "pause"


class ResumeDocument(_StageDocument):
    """It goes on; under the key of the pause, so that it takes that one's place."""

    do: Literal["resume"] = "resume"


ControlDocument = (
    AcknowledgeDocument | MuteDocument | CancelDocument | PauseDocument | ResumeDocument
)

_DOCUMENT_ADAPTER: TypeAdapter[ControlDocument] = TypeAdapter(
    Annotated[ControlDocument, Field(discriminator="do")]
)


def parse_control(value: bytes) -> ControlDocument:
    """Raises pydantic's ValidationError where it is none of these."""
    return _DOCUMENT_ADAPTER.validate_json(value)


def serialize_control(control: ControlDocument) -> bytes:
    return control.model_dump_json(exclude_defaults=False).encode()


def is_expired(control: ControlDocument, now: datetime) -> bool:
    return (
        not isinstance(control, AcknowledgeDocument)
        and control.until is not None
        and control.until <= now
    )


class TimedDocument(NamedTuple):
    """A document, and when it was written."""

    control: ControlDocument
    at: datetime


def parse_control_or_none(value: bytes) -> ControlDocument | None:
    """The document; None where it asks for nothing that we know."""
    try:
        return parse_control(value)
    except ValidationError:
        return None


def cancelled_runs(said: Iterable[TimedDocument], now: datetime) -> dict[str, datetime]:
    """The runs that are cancelled, and until when. `said`: as it stands in the log."""
    found: dict[str, datetime] = {}
    for control, at in said:
        if isinstance(control, CancelDocument):
            found.pop(control.run, None)
            found[control.run] = control.until or at + CANCELLATION_LIFETIME
    held = [(run, until) for run, until in found.items() if until > now]
    return dict(held[-MAX_CANCELLED_RUNS:])


def pause_in_force(
    said: Sequence[TimedDocument], pipeline: str, stage: str, now: datetime
) -> TimedDocument | None:
    """What pauses a stage now. `said`: as it stands in the log.

    The newest document of the stage, and the newest of the whole pipeline, are all that counts,
    also where others are kept under other keys; of these two the newer holds, unless it has
    expired.
    """
    replaced = set()
    for each in reversed(said):
        control = each.control
        if not isinstance(control, PauseDocument | ResumeDocument) or not control.applies_to(
            pipeline, stage
        ):
            continue
        if control.key not in replaced and not is_expired(control, now):
            return each if isinstance(control, PauseDocument) else None
        replaced.add(control.key)
    return None
