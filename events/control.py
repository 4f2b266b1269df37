"""What may a person ask of the running system?

`farandole.control` holds these as JSON that can be written with kcat, under any key that says what
it is about; `docs/control.md` shows each. What is newer in the log holds against what is older.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

CANCELLED_FOR = timedelta(days=7)
"""A run stays cancelled so long, as the ledger is kept, where the document says nothing else."""
MOST_CANCELLED = 10_000
"""Runs that are cancelled at one time; beyond that the oldest are forgotten."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Acknowledge(_Frozen):
    """Somebody takes care: an incident sends no more digests until it is resolved."""

    do: Literal["acknowledge"] = "acknowledge"
    incident: str
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"acknowledge/{self.incident}".encode()


class Mute(_Frozen):
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


class Cancel(_Frozen):
    """No event of a run is handled any more: what is in flight is consumed, and counted."""

    do: Literal["cancel"] = "cancel"
    run: str
    until: AwareDatetime | None = None
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"cancel/{self.run}".encode()


class _Gate(_Frozen):
    pipeline: str
    stage: str = ""
    """None: all stages of the pipeline."""
    until: AwareDatetime | None = None
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"pause/{self.pipeline}/{self.stage}".encode()

    def concerns(self, pipeline: str, stage: str) -> bool:
        return self.pipeline == pipeline and self.stage in ("", stage)


class Pause(_Gate):
    """A stage takes no event from its inputs, and keeps its place in them."""

    do: Literal["pause"] = "pause"


class Resume(_Gate):
    """It goes on; under the key of the pause, so that it takes that one's place."""

    do: Literal["resume"] = "resume"


Control = Acknowledge | Mute | Cancel | Pause | Resume

_CONTROL: TypeAdapter[Control] = TypeAdapter(Annotated[Control, Field(discriminator="do")])


def read(value: bytes) -> Control:
    """Raises pydantic's ValidationError where it is none of these."""
    return _CONTROL.validate_json(value)


def written(control: Control) -> bytes:
    return control.model_dump_json(exclude_defaults=False).encode()


def expired(control: Control, now: datetime) -> bool:
    return (
        not isinstance(control, Acknowledge) and control.until is not None and control.until <= now
    )


class Said(NamedTuple):
    """A document, and when it was written."""

    control: Control
    at: datetime


def understood(value: bytes) -> Control | None:
    """The document; None where it asks for nothing that we know."""
    try:
        return read(value)
    except ValidationError:
        return None


def cancelled(said: Iterable[Said], now: datetime) -> dict[str, datetime]:
    """The runs that are cancelled, and until when. `said`: as it stands in the log."""
    found: dict[str, datetime] = {}
    for control, at in said:
        if isinstance(control, Cancel):
            found.pop(control.run, None)
            found[control.run] = control.until or at + CANCELLED_FOR
    held = [(run, until) for run, until in found.items() if until > now]
    return dict(held[-MOST_CANCELLED:])


def paused(said: Sequence[Said], pipeline: str, stage: str, now: datetime) -> Said | None:
    """What pauses a stage now. `said`: as it stands in the log.

    The newest document of the stage, and the newest of the whole pipeline, are all that counts,
    also where others are kept under other keys; of these two the newer holds, unless it has
    expired.
    """
    replaced = set()
    for each in reversed(said):
        control = each.control
        if not isinstance(control, Pause | Resume) or not control.concerns(pipeline, stage):
            continue
        if control.key not in replaced and not expired(control, now):
            return each if isinstance(control, Pause) else None
        replaced.add(control.key)
    return None
