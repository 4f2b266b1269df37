"""Which schedules are paused, and which are to fire by hand?"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from farandole.events.control_model import StrictDocument
from farandole.events.record_time import RowTime

_ORDER_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class ScheduleDocument(StrictDocument):
    """A schedule is paused or not, whatever the file says, until another document says otherwise.
    While it is paused nothing fires; what becomes of the planned times of that time is decided by
    its `catch_up`."""

    do: Literal["schedule"] = "schedule"
    pipeline: str = Field(min_length=1)
    schedule: str = ""
    """Empty for all schedules of the pipeline."""
    paused: bool = Field(strict=True)
    until: RowTime | None = None

    @property
    def key(self) -> bytes:
        return f"schedule/{self.pipeline}/{self.schedule}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "schedule", self.pipeline, self.schedule


class FireDocument(StrictDocument):
    """An order: fire a schedule once, for this planned time, once for each id."""

    do: Literal["fire"] = "fire"
    pipeline: str = Field(min_length=1)
    schedule: str = Field(min_length=1)
    id: str = Field(pattern=_ORDER_ID)
    planned: RowTime

    @property
    def key(self) -> bytes:
        return f"fire/{self.pipeline}/{self.schedule}/{self.id}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "fire", self.pipeline, self.schedule, self.id


class BackfillDocument(StrictDocument):
    """An order: fire a schedule for each of its planned times from `start` on and before `end`,
    once for each id. Without the document the backfill ends where it is."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True
    )

    do: Literal["backfill"] = "backfill"
    pipeline: str = Field(min_length=1)
    schedule: str = Field(min_length=1)
    id: str = Field(pattern=_ORDER_ID)
    start: RowTime = Field(alias="from")
    end: RowTime = Field(alias="to")
    max_parallel: int = Field(default=1, ge=1, le=100, strict=True)
    missing: bool = Field(default=False, strict=True)
    """True to leave out the planned times that have fired."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.end <= self.start:
            raise ValueError("to must be later than from")
        return self

    @property
    def key(self) -> bytes:
        return f"backfill/{self.pipeline}/{self.schedule}/{self.id}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "backfill", self.pipeline, self.schedule, self.id
