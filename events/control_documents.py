"""Which documents can a person write to `farandole.control`?

The topic contains these documents as JSON that can also be written with kcat, under any key
that says what it is about; `docs/control.md` shows each. A newer document in the log overrides an
older one. A document is a state: what it says must be true also for who reads it years later. Only
`restart`, `fire` and `backfill` are orders, which are executed once for their ids.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from farandole.events.anomaly_document import ExpectDocument, IgnoreDocument
from farandole.events.control_model import FrozenDocument
from farandole.events.drain_document import DrainDocument
from farandole.events.flag_document import FlagDocument
from farandole.events.record_time import RowTime
from farandole.events.release_document import ReleaseDocument
from farandole.events.row_format import NewerFormatError, check_json_format
from farandole.events.schedule_document import BackfillDocument, FireDocument, ScheduleDocument
from farandole.events.switch_document import EndSwitchDocument, SwitchDocument, mode_subject
from farandole.events.throttle_document import ThrottleDocument


class AcknowledgeDocument(FrozenDocument):
    """Somebody takes care of an incident: it sends no more digests until it is resolved."""

    do: Literal["acknowledge"] = "acknowledge"
    incident: str
    by: str = ""
    comment: str = ""
    """What the person knows or does, for the others."""

    @property
    def key(self) -> bytes:
        return f"acknowledge/{self.incident}".encode()


class MuteDocument(FrozenDocument):
    """No notice is sent about an incident, or about any of a stage, before `until`."""

    do: Literal["mute"] = "mute"
    pipeline: str = ""
    stage: str = ""
    incident: str = ""
    until: RowTime
    by: str = ""
    comment: str = ""

    @property
    def key(self) -> bytes:
        return f"mute/{self.incident or f'{self.pipeline}/{self.stage}'}".encode()


class CancelDocument(FrozenDocument):
    """No event of a run is handled any more: events in flight are consumed and counted."""

    do: Literal["cancel"] = "cancel"
    run: str
    until: RowTime | None = None
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"cancel/{self.run}".encode()


class _StageDocument(FrozenDocument):
    pipeline: str
    stage: str = ""
    """Empty for all stages of the pipeline."""
    until: RowTime | None = None
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"pause/{self.pipeline}/{self.stage}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """That of a switch, which says the same."""
        return mode_subject(self.pipeline, self.stage)

    def applies_to(self, pipeline: str, stage: str) -> bool:
        """Return True if the document names this stage or its whole pipeline."""
        return self.pipeline == pipeline and self.stage in ("", stage)


class PauseDocument(_StageDocument):
    """A stage takes no event from its inputs, and keeps its position in them."""

    do: Literal["pause"] = "pause"


class ResumeDocument(_StageDocument):
    """The stage takes events again. The document has the key of the pause, and so replaces it."""

    do: Literal["resume"] = "resume"


class RestartDocument(FrozenDocument):
    """An order: each supervisor that runs now starts the processes of a stage anew, once for each
    id."""

    do: Literal["restart"] = "restart"
    pipeline: str
    stage: str = ""
    """Empty for all stages of the pipeline, and the services beside them."""
    id: str
    by: str = ""

    @property
    def key(self) -> bytes:
        return f"restart/{self.pipeline}/{self.stage}".encode()


ControlDocument = (
    AcknowledgeDocument
    | BackfillDocument
    | CancelDocument
    | DrainDocument
    | EndSwitchDocument
    | ExpectDocument
    | FireDocument
    | FlagDocument
    | IgnoreDocument
    | MuteDocument
    | PauseDocument
    | ReleaseDocument
    | RestartDocument
    | ResumeDocument
    | ScheduleDocument
    | SwitchDocument
    | ThrottleDocument
)
"""Each kind; newer ones have a module of their own."""

_DOCUMENT_ADAPTER: TypeAdapter[ControlDocument] = TypeAdapter(
    Annotated[ControlDocument, Field(discriminator="do")]
)


def parse_control(value: bytes) -> ControlDocument:
    """Return the document in a record. Raises NewerFormatError, and pydantic's ValidationError if
    it is none of these."""
    check_json_format("control document", value)
    return _DOCUMENT_ADAPTER.validate_json(value)


def serialize_control(control: ControlDocument) -> bytes:
    """Return the document as the value of a record."""
    return control.model_dump_json(exclude_defaults=False).encode()


def parse_control_or_none(value: bytes) -> ControlDocument | None:
    """Return the document in a record; None if it is none of these that this release knows."""
    try:
        return parse_control(value)
    except (ValidationError, NewerFormatError):
        return None
