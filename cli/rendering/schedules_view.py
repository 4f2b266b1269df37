"""How are schedules shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from farandole.cli.rendering.control_text import unfit_text
from farandole.cli.rendering.schedule_text import (
    backfill_text,
    decision_text,
    fired_text,
    firings_text,
    pause_of_schedule_text,
    waiting_text,
)
from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.next_step import CommandLine
from farandole.events.safe_text import short_line, single_line
from farandole.events.time_format import format_duration, utc_timestamp
from farandole.router.schedule_text import (
    catch_up_text,
    dependencies_text,
    overlap_text,
    when_text,
)

if TYPE_CHECKING:
    from farandole.operations.schedules.list_schedules import SchedulesResult
    from farandole.operations.schedules.schedule_state import ScheduleState
    from farandole.operations.schedules.show_schedule import PastFiring, ShowResult

START_SCHEDULER = ("keep-time",)
"""The words of the command that runs a scheduler."""


def schedules_lines(result: SchedulesResult, command_line: CommandLine) -> Iterator[str]:
    """Yield the lines about all schedules."""
    if result.schedules and not result.schedulers:
        yield Alarm(no_scheduler_text(command_line))
    versions = {state.version for state in result.schedules}
    version = ""
    for state in result.schedules:
        if state.version != version:
            version = state.version
            yield f"{version}:"
        yield from _state_lines(state, command_line, named=len(versions) > 1)
    if not result.schedules:
        yield "no version has schedules; add `schedules:` to the file and apply it"
    for unfit in result.unfit:
        yield Alarm(unfit_text(unfit))


def schedule_lines(
    result: ShowResult, command_line: CommandLine, *, named: bool = False
) -> Iterator[str]:
    """Yield the lines about one schedule, and its history. `named`: commands name the pipeline."""
    state = result.schedule
    if not result.schedulers:
        yield Alarm(no_scheduler_text(command_line))
    yield from _state_lines(state, command_line, named=named)
    yield from (f"  {each}" for each in _policy_lines(state))
    if state.spec.description:
        yield f"  {single_line(state.spec.description)}"
    if result.history is None:
        return
    yield ""
    yield from history_lines(result.history, state.spec.zone)
    if not result.history:
        yield "no planned time has come yet"
    elif result.more:
        yield f"and older ones (--limit {10 * len(result.history)}, --since TIME)"


def no_scheduler_text(command_line: CommandLine) -> str:
    """Return that nothing fires, and which command helps."""
    return f"no scheduler is at work, so nothing fires: {command_line(*START_SCHEDULER)}"


def history_lines(history: Sequence[PastFiring], zone: str) -> list[str]:
    """Return a table of planned times: what became of each and, in a line below, who ordered it
    and why it is so."""
    head = (f"planned ({zone})", "UTC", "outcome", "run", "status")
    rows = [
        (
            f"{datetime.fromisoformat(each.local):%Y-%m-%d %H:%M:%S}",
            _utc_beside(each),
            each.outcome if each.outcome != "missed" else Alarm(each.outcome),
            single_line(each.run or ""),
            Alarm(each.status) if each.status == "failed" else single_line(each.status),
        )
        for each in history
    ]
    lines = [row[:1] + row[2:] if zone == "UTC" else row for row in (head, *rows)]
    first, *table = format_columns(lines, left=len(lines[0]))
    if not rows:
        return []
    told = zip(table, history, strict=True)
    return [first, *(line for row, each in told for line in (row, *_why_lines(each)))]


def _utc_beside(firing: PastFiring) -> str:
    """Return the time in UTC, with its day only if that is another one there."""
    is_same_day = datetime.fromisoformat(firing.local).date() == firing.planned.date()
    return f"{firing.planned:{'' if is_same_day else '%m-%d '}%H:%M:%S}"


def _why_lines(firing: PastFiring) -> list[str]:
    by = f"by {single_line(firing.by)}" if firing.by else ""
    text = ": ".join(filter(None, (by, short_line(firing.reason, 300))))
    return [f"  {text}"] if text else []


def _state_lines(state: ScheduleState, command_line: CommandLine, *, named: bool) -> Iterator[str]:
    spec, now = state.spec, datetime.now(UTC)
    when = short_line(when_text(spec.model_dump(mode="json")))
    yield f"{state.schedule}: {when}; triggers {spec.triggers}"
    yield from (Alarm(f"  {single_line(each)}") for each in state.unseen)
    if state.paused is not None:
        of = ("--pipeline", state.pipeline) if named else ()
        resume = command_line("schedules", "resume", state.schedule, *of)
        yield f"  {pause_of_schedule_text(state.paused)}; let it go on: {resume}"
    if state.overdue is not None:
        yield Alarm(f"  overdue: {single_line(state.overdue.what)}")
    elif state.late is not None:
        late = f"{utc_timestamp(state.late)} has come, and no scheduler has decided on it yet"
        yield Alarm(f"  late: {late}")
    if state.problem is not None:
        yield Alarm(f"  when it fires next is not known here: {single_line(state.problem)}")
    if state.next:
        lead = "next" if state.paused is None or state.paused.until else "if it went on"
        yield f"  {lead}: {firings_text(state.next, spec.zone)}"
    elif spec.is_timed and state.problem is None:
        yield "  next: never, its last planned time is over"
    if state.decided is not None:
        text = f"  last planned time: {decision_text(state.decided)}"
        yield Alarm(text) if state.decided.outcome == "missed" else text
    if state.last is not None:
        text = f"  last fired: {fired_text(state.last)}"
        yield Alarm(text) if state.last.status == "failed" else text
    others = [each for each in state.running if state.last is None or each.run != state.last.run]
    yield from (f"  not ended: {fired_text(each)}" for each in others)
    if state.waiting:
        yield f"  {waiting_text(state.waiting, now)}"
    missing = [each for n, each in enumerate(spec.after) if not state.arrivals.get(str(n))]
    if missing and len(missing) < len(spec.after):
        names = short_line(dependencies_text([each.model_dump() for each in missing]))
        yield f"  of what it depends on {names} has not come yet"
    for order in state.orders:
        by = f" by {single_line(order.by)}" if order.by else ""
        what = f"the order {order.id}{by} to fire for {utc_timestamp(order.planned)}"
        if order.refused:
            yield Alarm(f"  {what} is refused: {short_line(order.refused, 300)}")
        else:
            yield f"  {what} waits for a scheduler"
    yield from (f"  {backfill_text(each)}" for each in state.backfills)


def _policy_lines(state: ScheduleState) -> Iterator[str]:
    """Yield what the schedule does where something is in its way."""
    spec = state.spec
    policies = [f"overlap: {overlap_text((spec.overlap, spec.buffer))}", f"unknown: {spec.unknown}"]
    if spec.is_timed:
        policies.append(f"catch_up: {catch_up_text(spec.catch_up.model_dump())}")
    yield "; ".join(policies)
    if spec.jitter:
        yield f"jitter: less than {format_duration(spec.jitter)}"
    if len(spec.after) > (0 if spec.is_timed else 1):
        yield (
            f"within {format_duration(spec.within)} all that it waits for must be there, otherwise"
            f" {spec.otherwise}"
        )
