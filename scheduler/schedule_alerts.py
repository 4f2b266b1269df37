"""Which alerts does the scheduler raise, and what do they say?

That a schedule is overdue, the bookkeeper says (`ledger/overdue_schedules.py`): it is there also
where no scheduler runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.events.alert_record import Alert, AlertKind
from farandole.events.alert_tracker import AlertTracker
from farandole.events.next_step import CommandLine, NextStep, plain_command_line
from farandole.events.number_format import grouped
from farandole.events.schedule_row import ScheduleRow
from farandole.events.time_format import utc_timestamp
from farandole.scheduler.moved_times import TOLD_FOR

UNREAD_AFTER = timedelta(seconds=60)
"""How long a run may be in no books after its trigger was published."""
MAX_CLOCK_DIFFERENCE = 5.0
"""By how many seconds the clock of this machine may differ from the broker's."""


class ScheduleCondition(NamedTuple):
    """What may raise an alert."""

    key: str
    kind: AlertKind
    pipeline: str
    schedule: str | None
    is_bad: bool | None
    text: str = ""
    """What is out of order; empty if nothing is."""
    fire_after_ms: int = 0
    stage: None = None


def schedule_tracker(
    command_line: CommandLine = plain_command_line,
) -> AlertTracker[ScheduleCondition]:
    """Return the tracker of the scheduler's alerts. `command_line` writes the commands that they
    suggest."""
    return AlertTracker(
        lambda condition: _firing_text(condition, command_line), _resolved_text, _unwatched_text
    )


def schedule_conditions(
    row: ScheduleRow, now: datetime, *, failure: str, roots_wait: bool
) -> Iterator[ScheduleCondition]:
    """Yield the conditions of a schedule, true or not.

    `failure`: why nothing can be decided over it; empty if it can. `roots_wait`: the roots that it
    publishes wait on purpose, because the pipeline is drained or who takes them is on hold."""
    texts = {
        "schedule.failed": failure or _told(row, "schedule.failed"),
        "schedule.partial": _told(row, "schedule.partial"),
        "schedule.unknown": _told(row, "schedule.unknown"),
        "schedule.unread": "" if roots_wait else _unread_text(row, now),
        "scheduler.tzdata": _moved_text(row, now),
    }
    for kind, text in texts.items():
        name = kind.partition(".")[2]
        yield ScheduleCondition(
            key=f"{row.pipeline}/schedule/{row.schedule}/{name}",
            kind=kind,  # type: ignore[arg-type]  # each is an AlertKind
            pipeline=row.pipeline,
            schedule=row.schedule,
            is_bad=bool(text),
            text=text,
        )


def may_alert(row: ScheduleRow) -> bool:
    """Return True if a condition of the schedule may be true, now or soon."""
    return (
        bool(row.decided and row.decided.alert)
        or any(each.alert for each in row.waiting)
        or any(run.state == "unread" for run in row.runs)
        or row.moved is not None
    )


def clock_condition(pipeline: str, difference: float | None) -> ScheduleCondition:
    """Return the condition that the clock of the scheduler's machine is wrong. `difference`: by how
    many seconds it is ahead of the broker's; None if that is not known."""
    text = ""
    if difference is not None and abs(difference) > MAX_CLOCK_DIFFERENCE:
        direction = "ahead of" if difference > 0 else "behind"
        text = (
            f"the clock of the scheduler's machine is {abs(difference):.1f} s {direction} the"
            " broker's; schedules fire by the broker's clock; set both clocks, for example by NTP"
        )
    return ScheduleCondition(
        key=f"{pipeline}/scheduler/clock",
        kind="scheduler.clock",
        pipeline=pipeline,
        schedule=None,
        is_bad=None if difference is None else bool(text),
        text=text,
    )


def outdated_alert(pipeline: str, own: str, newest: str, now: datetime) -> Alert:
    """Return the alert that a scheduler has an older time zone database than the one by which rows
    were written, and leaves."""
    return Alert(
        kind="scheduler.tzdata",
        key=f"{pipeline}/scheduler/tzdata",
        pipeline=pipeline,
        text=(
            f"a scheduler has left: its time zone database is {own}, and schedules were planned by"
            f" {newest}; upgrade its package tzdata"
        ),
        since=now,
        state="firing",
    )


def _told(row: ScheduleRow, kind: str) -> str:
    """Return what the row says of an alert of this kind; empty if nothing."""
    for each in row.waiting:
        if each.alert == kind:
            return f"{utc_timestamp(each.planned)} waits: {each.why or each.reason}"
    decided = row.decided
    if decided is None or decided.alert != kind:
        return ""
    return f"{utc_timestamp(decided.planned)} {decided.outcome}: {decided.reason}"


def _unread_text(row: ScheduleRow, now: datetime) -> str:
    unread = [run for run in row.runs if run.state == "unread" and now - run.fired > UNREAD_AFTER]
    if not unread:
        return ""
    first = unread[0]
    more = f", and {grouped(len(unread) - 1)} more" if len(unread) > 1 else ""
    return (
        f"the books do not have run {first.run or 'without an id'} (planned for"
        f" {utc_timestamp(first.planned)}){more}, which was triggered more than"
        f" {UNREAD_AFTER.total_seconds():.0f} s ago"
    )


def _moved_text(row: ScheduleRow, now: datetime) -> str:
    moved = row.moved
    if moved is None or now - moved.at >= TOLD_FOR:
        return ""
    return (
        f"the time zone database {moved.tzdata} has moved the next planned time from"
        f" {_time_or_never(moved.before)} to {_time_or_never(moved.after)}"
    )


def _firing_text(condition: ScheduleCondition, command_line: CommandLine) -> str:
    if condition.schedule is None:
        return condition.text
    words = "schedules", "show", shlex.quote(condition.schedule), "--history"
    step = NextStep("see more with", words).text(command_line)
    return f"`{condition.schedule}`: {condition.text}; {step}"


def _resolved_text(condition: ScheduleCondition) -> str:
    match condition.kind:
        case "schedule.failed":
            return f"`{condition.schedule}` can fire again"
        case "schedule.partial":
            return f"`{condition.schedule}` has had everything that it depends on"
        case "schedule.unknown":
            return f"it is known how the runs of `{condition.schedule}` stand"
        case "schedule.unread":
            return f"the books have the runs of `{condition.schedule}`"
        case "scheduler.tzdata":
            return f"`{condition.schedule}`: a day has passed since its planned time was moved"
        case _:
            return "the clock of the scheduler's machine agrees with the broker's"


def _unwatched_text(firing: Alert) -> str:
    return f"watched no more: {firing.text}"


def _time_or_never(time: datetime | None) -> str:
    return "never" if time is None else utc_timestamp(time)
