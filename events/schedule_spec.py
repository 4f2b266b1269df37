"""What does a published version say about its schedules?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from farandole.events.row_model import RowModel

Seconds = Annotated[float, Field(ge=0)]

OverlapPolicy = Literal["skip", "buffer-one", "buffer-all", "cancel-other", "allow-all"]
"""What becomes of a planned time while the run of an earlier one has not ended."""
UnknownPolicy = Literal["wait", "fire", "skip"]
"""What becomes of a planned time while the books lag, so that nobody knows whether a run has
ended."""
CatchUpRuns = Literal["all", "latest", "none"]
"""Which of the planned times that could not fire in time fire later."""
DeadlinePolicy = Literal["fire", "miss"]
"""What becomes of a firing of which not all dependencies came in time."""

RUN_STATUS_WORDS: Mapping[str, tuple[str, ...]] = {
    "completed": ("completed", "settled"),
    "dead-letters": ("completed with dead letters", "settled with dead letters"),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}
"""By the word in a file, the statuses (`events/run_row.py`) of a run that has ended that way."""


class CatchUpPolicy(RowModel):
    """What becomes of planned times that could not fire in time: no scheduler ran, or the schedule
    was paused."""

    runs: CatchUpRuns = "latest"
    within: Seconds = 86_400.0
    """A planned time that is longer ago does not fire any more."""
    per_minute: Annotated[int, Field(ge=1)] = 60
    """How many late planned times fire within a minute, at most."""


class CalendarSpec(RowModel):
    """Some days, in the schedule's time zone. Exactly one of the fields is given."""

    dates: tuple[date, ...] = ()
    weekdays: tuple[int, ...] = ()
    """0 for Monday to 6 for Sunday."""
    holidays: str = ""
    """A country, or a country and a part of it, as the package `holidays` names them: `FR`,
    `DE-BY`."""
    schedule: str = ""
    """The days on which this other schedule of the pipeline has a planned time."""


class DependencySpec(RowModel):
    """What a schedule waits for: the run of a pipeline (`pipeline`), or a file (`file`)."""

    pipeline: str = ""
    event: str | None = None
    """The type of the root of that run; None for any."""
    status: tuple[str, ...] = ()
    """The statuses (`events/run_row.py`) with which the run must have ended."""
    file: str = ""
    """The URL of a file or object, as fsspec reads it; may have `*` in its last part."""
    every: Annotated[float, Field(gt=0)] = 30.0
    """Seconds between two looks at the folder of `file`."""
    existing: bool = True
    """Whether files count that were there before the schedule was published."""


class ScheduleSpec(RowModel):
    """When events are triggered: at planned times (one of `cron`, `every` and `at`), when what it
    depends on is there (`after`), or at a planned time once it is."""

    triggers: str
    """The event type of the root that each firing publishes."""
    data: Any = None
    """The event's data: JSON with templates such as `${planned}` in its texts."""
    cron: str | None = None
    """Five fields, or a name such as `@daily`."""
    every: Annotated[float | None, Field(gt=0)] = None
    """An interval in seconds, counted from `start`, or from 1970 if there is none."""
    at: tuple[str, ...] = ()
    """Single times, ISO 8601; without an offset they are local times of `zone`."""
    zone: str = "UTC"
    """An IANA time zone."""
    jitter: Seconds = 0.0
    """A firing is later than its planned time by less than this, always by the same."""
    start: str | None = None
    """The first possible planned time, written as in `at`."""
    end: str | None = None
    """No planned time is at or after this one, written as in `at`."""
    exclude: tuple[CalendarSpec, ...] = ()
    """Planned times on any of these days do not fire."""
    include: tuple[CalendarSpec, ...] = ()
    """If there are any, planned times on all other days do not fire."""
    overlap: OverlapPolicy = "skip"
    buffer: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many planned times may wait for a run to end, with `buffer-all`."""
    unknown: UnknownPolicy = "wait"
    catch_up: CatchUpPolicy = CatchUpPolicy()
    after: tuple[DependencySpec, ...] = ()
    """All of them must have come."""
    within: Annotated[float, Field(gt=0)] = 86_400.0
    """In how many seconds after the planned time or, without one, after the first of several
    dependencies, the others must have come."""
    otherwise: DeadlinePolicy = "miss"
    paused: bool = False
    """Whether the schedule is paused until a control document resumes it."""
    description: str = ""

    @property
    def is_timed(self) -> bool:
        """True if the schedule has planned times; otherwise it fires by its dependencies alone."""
        return self.cron is not None or self.every is not None or bool(self.at)
