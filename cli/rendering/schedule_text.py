"""How are a schedule and its times written as text?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from farandole.cli.rendering.control_text import by_text
from farandole.cli.rendering.counts import count_text
from farandole.events.number_format import grouped
from farandole.events.safe_text import short_line, single_line
from farandole.events.schedule_row import Decision, FiredRun, WaitingTime
from farandole.events.time_format import utc_timestamp

if TYPE_CHECKING:
    from farandole.operations.schedules.planned_view import PlannedTime
    from farandole.operations.schedules.schedule_state import BackfillState, SchedulePauseState


def firings_text(firings: Sequence[PlannedTime], zone: str) -> str:
    """Return the times in the schedule's zone and, if that is another one, the first in UTC."""
    local = times_text([datetime.fromisoformat(each.local) for each in firings])
    first = "" if zone == "UTC" else f" ({times_text([firings[0].planned])} UTC)"
    return f"{local} {zone}{first}"


def times_text(times: Sequence[datetime]) -> str:
    """Return `2026-11-30 02:30, 03:30, 12-01 02:30`: a year and a day are named once, and seconds
    only if any of the times has some."""
    clock = "%H:%M:%S" if any(time.second or time.microsecond for time in times) else "%H:%M"
    texts, before = [], date.min
    for time in times:
        day = "%Y-%m-%d " if time.year != before.year else "%m-%d "
        texts.append(f"{time:{'' if time.date() == before else day}{clock}}")
        before = time.date()
    return ", ".join(texts)


def until_text(until: datetime | None, local: str | None) -> str:
    """Return ` until 2026-11-24 14:00:00 UTC (2026-11-24 15:00:00+01:00 in its zone)`, with the
    space before it; empty for None. A local time that is the same is left out."""
    if until is None:
        return ""
    zoned = ""
    if local is not None and datetime.fromisoformat(local).utcoffset():
        zoned = f" ({local.replace('T', ' ')} in its zone)"
    return f" until {utc_timestamp(until)}{zoned}"


def pause_of_schedule_text(pause: SchedulePauseState) -> str:
    """Return `paused by ann since 2026-11-24 12:00:00 UTC until 2026-11-24 14:00:00 UTC`."""
    if pause.since is None:
        return "paused by the file"
    whole = " with the whole pipeline" if pause.pipeline else ""
    until = f" until {utc_timestamp(pause.until)}" if pause.until else ""
    by = by_text(pause.by, pause.comment)
    return f"paused{whole}{by} since {utc_timestamp(pause.since)}{until}"


def decision_text(decision: Decision) -> str:
    """Return `2026-11-30 01:30:00 UTC was skipped: run k7mq2vtd4x3aa had not ended`."""
    why = f": {short_line(decision.reason, 300)}" if decision.reason else ""
    verb = decision.outcome if decision.outcome == "fired" else f"was {decision.outcome}"
    return f"{utc_timestamp(decision.planned)} {verb}{why}"


def fired_text(fired: FiredRun) -> str:
    """Return `run k7mq2vtd4x3aa of 2026-11-30 01:30:00 UTC: completed`."""
    run = f"run {single_line(fired.run)}" if fired.run else "a run that is not known yet"
    return f"{run} of {utc_timestamp(fired.planned)}: {run_status_text(fired)}"


def run_status_text(fired: FiredRun) -> str:
    """Return how a run stands in the books."""
    if fired.status:
        return single_line(fired.status)
    return "ended" if fired.state == "ended" else "not in the books yet"


def waiting_text(waiting: Sequence[WaitingTime], now: datetime) -> str:
    """Return which planned times wait, and what the first of them waits for."""
    first = waiting[0]
    jitter = f"fires at {utc_timestamp(first.due)}" if first.due > now else "fires at once"
    why = short_line(first.why, 300) or jitter
    more = f" (and {count_text(len(waiting) - 1, 'later one')})" if len(waiting) > 1 else ""
    return f"{utc_timestamp(first.planned)}{more} waits: {why}"


def backfill_text(backfill: BackfillState) -> str:
    """Return `backfill 7f3b to 2026-11-08 00:00:00 UTC: 3 fired, 4 of 7 to look at`."""
    start = f" from {utc_timestamp(backfill.start)}" if backfill.start else ""
    who = f" by {single_line(backfill.by)}" if backfill.by else ""
    return (
        f"backfill {backfill.id}{who}{start} to {utc_timestamp(backfill.end)}:"
        f" {backfill_progress(backfill)}"
    )


def backfill_progress(backfill: BackfillState) -> str:
    """Return `3 fired, 1 left out, 4 of 8 to look at, 1 run not ended`. Of those to look at, some
    may be left out."""
    parts = [f"{grouped(backfill.fired)} fired"]
    if backfill.passed:
        parts.append(f"{grouped(backfill.passed)} left out")
    if backfill.left is None:
        parts.append("more to look at")
    elif backfill.left and backfill.ended is None:
        planned = backfill.fired + backfill.passed + backfill.left
        parts.append(f"{grouped(backfill.left)} of {grouped(planned)} to look at")
    if backfill.runs:
        parts.append(f"{count_text(len(backfill.runs), 'run')} not ended")
    text = ", ".join(parts)
    if backfill.ended is not None:
        text += f"; ended at {utc_timestamp(backfill.ended)}"
    elif backfill.cancelled:
        text += "; cancelled"
    return f"{text}: {short_line(backfill.why, 300)}" if backfill.why else text
