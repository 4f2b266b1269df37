"""What does the scheduler know about a schedule, a backfill, and an order?

`farandole.schedules` has these rows, as JSON; they are the state of the scheduler's lane. Its keys
begin with what a row is about: `schedule/PIPELINE/SCHEDULE`, `backfill/PIPELINE/SCHEDULE/ID`,
`order/KEY` with the key of the control document, `object/PIPELINE/SCHEDULE/HASH`, and others that
only the scheduler reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from farandole.events.firing_record import FiringOutcome, FiringRecord
from farandole.events.record_time import RowTime
from farandole.events.row_format import check_json_format
from farandole.events.row_model import RowModel

SCHEDULE_PREFIX, BACKFILL_PREFIX, ORDER_PREFIX, OBJECT_PREFIX = (
    b"schedule/", b"backfill/", b"order/", b"object/",
)  # fmt: skip


class FiredRun(RowModel):
    """A firing whose run the scheduler watches."""

    planned: RowTime
    suffix: str = ""
    event: str
    """The `ce_id` of the trigger."""
    topic: str
    fired: RowTime
    """When, by the broker's clock."""
    run: str | None = None
    """None until the trigger's offset is known."""
    state: Literal["unread", "running", "ended"] = "unread"
    """`unread`: the books do not have the run yet, and it counts as running."""
    status: str = ""
    """The run's status (`events/run_row.py`) as it was read last; empty while it is unread."""
    cancelled: bool = False
    """A control document cancels it, because of `overlap: cancel-other`."""
    record: FiringRecord | None = None
    """The record in `farandole.firings`, as long as `run` is not known: it is written again with
    it."""


class Arrival(RowModel):
    """A dependency that has come and was not used yet."""

    at: RowTime
    cause: str
    """The run, or the URL of the file."""
    detail: Mapping[str, str] = {}
    """What templates can name: `status` of a run; `etag`, `size` and `modified` of a file."""


class WaitingTime(RowModel):
    """A planned time that has come and has not fired."""

    planned: RowTime
    due: RowTime
    """When it may fire at the earliest: the planned time and its jitter."""
    why: str = ""
    """What it waits for, for people; empty if for its due time alone."""
    suffix: str = ""
    """What caused it, if the schedule has no planned times."""
    version: Annotated[int, Field(ge=0)] = 0
    """The version that planned it."""
    late: bool = False
    """It could not fire in time: the catch-up policy says how many such fire within a minute."""
    reason: str = ""
    """Why it fires late, for its record; empty if it fires in time."""
    arrivals: Mapping[str, Arrival] = {}
    """What it fires with, by the index of the dependency."""
    complete: bool = False
    """What the schedule depends on has come, or its deadline is over."""
    alert: str = ""
    """The kind of the alert that tells of it while it waits; empty for none."""


class Decision(RowModel):
    """What became of the planned time that was decided last."""

    planned: RowTime
    suffix: str = ""
    outcome: FiringOutcome
    reason: str = ""
    at: RowTime
    alert: str = ""
    """The kind of the alert that tells of it until the next decision; empty for none."""


class MovedTime(RowModel):
    """A next planned time that another release of the time zone database has moved."""

    before: RowTime | None
    """None for never, as in `after`."""
    after: RowTime | None
    tzdata: str
    """The release that has moved it."""
    at: RowTime
    """When that was noticed."""


class ScheduleRow(RowModel):
    """The state of one schedule."""

    pipeline: str
    schedule: str
    version: Annotated[int, Field(ge=0)]
    """The version that was in force when the row was written."""
    through: RowTime
    """Every planned time up to this one, inclusive, has its record or stands in `waiting`."""
    next: RowTime | None = None
    """The next planned time after `through`; None if there is none."""
    due: RowTime | None = None
    """When something is to happen at the latest, if all is well: the next planned time and its
    jitter, or that of the first of `waiting` that waits for its time alone. Overdue is what has not
    happened half a minute later (`ledger/overdue_schedules.py`). None: nothing is to happen by
    itself."""
    waiting: tuple[WaitingTime, ...] = ()
    runs: tuple[FiredRun, ...] = ()
    """Those that have not ended, the oldest first."""
    last: FiredRun | None = None
    """The newest firing, ended or not."""
    decided: Decision | None = None
    paused: bool = False
    pause_began: RowTime | None = None
    """When the last pause began, and in `pause_ended` when it ended; None in both if there was none
    yet. Planned times between the two are late because of it."""
    pause_ended: RowTime | None = None
    arrivals: Mapping[str, tuple[Arrival, ...]] = {}
    """By the index of the dependency in `ScheduleSpec.after`, as text."""
    minute: RowTime | None = None
    """The minute in which late planned times fired last, and in `late` how many did."""
    late: int = 0
    tzdata: str = ""
    """The release of the time zone database by which `next` was computed."""
    moved: MovedTime | None = None

    @property
    def key(self) -> bytes:
        return schedule_key(self.pipeline, self.schedule)


class BackfillRow(RowModel):
    """How far a backfill is."""

    pipeline: str
    schedule: str
    id: str
    by: str = ""
    next: RowTime | None
    """The next planned time to look at; None if all were."""
    end: RowTime
    max_parallel: int = 1
    missing: bool = False
    runs: tuple[FiredRun, ...] = ()
    """Those that have not ended."""
    fired: int = 0
    passed: int = 0
    """Planned times that were left out: with `missing`, those that had fired; and excluded ones."""
    ended: RowTime | None = None
    why: str = ""
    """Why it waits or has ended early; empty if neither."""

    @property
    def key(self) -> bytes:
        return BACKFILL_PREFIX + f"{self.pipeline}/{self.schedule}/{self.id}".encode()


class OrderRow(RowModel):
    """An order that was executed; kept as long as its document stands."""

    id: str
    at: RowTime
    refused: str = ""
    """Why it was not executed; empty if it was."""


def schedule_key(pipeline: str, schedule: str) -> bytes:
    """Return the key of a schedule's row."""
    return SCHEDULE_PREFIX + f"{pipeline}/{schedule}".encode()


def order_key(control_key: bytes) -> bytes:
    """Return the key of the row of an order, by the key of its control document."""
    return ORDER_PREFIX + control_key


def parse_schedule_row(value: bytes) -> ScheduleRow:
    """Return the row. Raises NewerFormatError, and pydantic's ValidationError if no scheduler wrote
    it."""
    check_json_format("schedule row", value)
    return ScheduleRow.model_validate_json(value)


def parse_backfill_row(value: bytes) -> BackfillRow:
    """Return the row. Raises as `parse_schedule_row`."""
    check_json_format("schedule row", value)
    return BackfillRow.model_validate_json(value)


def parse_order_row(value: bytes) -> OrderRow:
    """Return the row. Raises as `parse_schedule_row`."""
    check_json_format("schedule row", value)
    return OrderRow.model_validate_json(value)
