"""What became of one planned time of a schedule?

Each planned time ends in exactly one record of `farandole.firings`, under the key of its firing. A
record that is written again under its key, because its run is known now or because a backfill has
fired what was missed, replaces the earlier one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from farandole.events.record_time import RowTime
from farandole.events.row_format import check_json_format
from farandole.events.row_model import RowModel

FiringOutcome = Literal["fired", "skipped", "missed", "excluded", "merged"]
"""`skipped`: a rule of the schedule said so (overlap, pause); `missed`: it should have fired, and
could not in time; `excluded`: its day is in a calendar; `merged`: a later planned time stands for
it."""


class FiringKey(NamedTuple):
    """Which firing: of one planned time, once more by hand (`suffix`), or of one cause."""

    pipeline: str
    schedule: str
    planned: datetime
    suffix: str = ""
    """The id of the order by which a planned time fires once more, or what caused the firing of a
    schedule without planned times."""

    @property
    def event_id(self) -> str:
        """The `ce_id` of the trigger: `nightly/2026-11-30T02:30:00Z`, with `#suffix` if there is
        one."""
        return f"{self.schedule}/{time_text(self.planned)}" + (
            f"#{self.suffix}" if self.suffix else ""
        )

    @property
    def record_key(self) -> bytes:
        return f"{self.pipeline}/{self.event_id}".encode()


def time_text(time: datetime) -> str:
    """Return a time in UTC as it stands in ids: with microseconds only if it has some."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


class FiringRecord(RowModel):
    """The value of a record in `farandole.firings`."""

    pipeline: str
    schedule: str
    planned: RowTime
    suffix: str = ""
    outcome: FiringOutcome
    reason: str = ""
    """Why it did not fire, or fired late; empty if it fired as planned."""
    at: RowTime
    """When it was decided, by the broker's clock; if it fired, when."""
    version: Annotated[int, Field(ge=0)]
    """The version of the pipeline that planned it."""
    event: str = ""
    """The `ce_id` of the trigger; empty if it did not fire."""
    type: str = ""
    """The event type of the trigger; empty if it did not fire."""
    run: str | None = None
    """The run that the trigger has opened; None if it did not fire, or its offset is not known
    yet."""
    by: str = ""
    """Who asked for it, if a person did."""
    order: str = ""
    """The id of the order (`fire`, `backfill`) by which it fired."""
    tzdata: str = ""
    """The release of the time zone database by which it was planned."""

    @property
    def key(self) -> FiringKey:
        return FiringKey(self.pipeline, self.schedule, self.planned, self.suffix)


def parse_firing(value: bytes) -> FiringRecord:
    """Return the record. Raises NewerFormatError, and pydantic's ValidationError if no scheduler
    wrote it."""
    check_json_format("firing", value)
    return FiringRecord.model_validate_json(value)


def serialize_firing(firing: FiringRecord) -> bytes:
    """Return the record's value."""
    return firing.model_dump_json().encode()
