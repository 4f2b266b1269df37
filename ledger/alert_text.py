"""Which sentences do the ledger's alerts show to people?"""

from __future__ import annotations

from farandole.events.alert_record import Alert
from farandole.events.alert_tracker import AlertTracker
from farandole.events.next_step import CommandLine, NextStep, plain_command_line
from farandole.events.number_format import grouped
from farandole.events.run_row import RunRow, in_flight
from farandole.events.schedule_origin import origin_text
from farandole.ledger.stage_alerts import AlertCondition

_MAX_NAMED_EDGES = 5


def condition_tracker(
    command_line: CommandLine = plain_command_line,
) -> AlertTracker[AlertCondition]:
    """Return the tracker of the ledger's alerts with these texts. `command_line` writes the
    commands that they suggest."""
    return AlertTracker(
        lambda condition: firing_text(condition, command_line), resolved_text, unwatched_text
    )


def firing_text(condition: AlertCondition, command_line: CommandLine = plain_command_line) -> str:
    """Return the text of the alert that a condition raises. `command_line` writes the command that
    the text suggests."""
    stage, unread = condition.stage, _offsets_text(condition.unread)
    match condition.kind:
        case "stage.unworked" if condition.program:
            return (
                f"no program handles `{stage}`: the group {condition.program} has no member;"
                f" {unread} unread; start your program"
            )
        case "stage.unworked":
            start = NextStep("start one", ("work", str(stage))).text(command_line)
            return f"no worker holds `{stage}`: {unread} unread; {start}"
        case "stage.age":
            return (
                f"`{stage}` is behind: it has not settled what is older than {condition.age:g} s;"
                f" {unread} unread"
            )
        case "stage.lost" | "topic.changed":
            assert condition.step is not None  # both have one
            return f"{condition.detail}; {condition.step.text(command_line)}"
        case "control.unread" | "control.unfit" | "switch.ended" | "schedule.overdue":
            step = condition.step
            return condition.detail + (f"; {step.text(command_line)}" if step is not None else "")
        case "ledger.lags":
            return (
                f"the ledger lags: entries older than {condition.age:g} s are unread ({unread});"
                " what is said of runs is of before, and late runs are not told meanwhile"
            )


def resolved_text(condition: AlertCondition) -> str:
    """Return the text of an alert whose condition is no longer true."""
    stage = condition.stage
    match condition.kind:
        case "stage.unworked" if condition.program:
            now = "is back" if condition.members else "has read all"
            return f"the program of `{stage}` {now}"
        case "stage.unworked":
            return f"`{stage}` is worked again" if condition.members else f"`{stage}` has read all"
        case "stage.age":
            return f"`{stage}` has caught up: nothing unread is older than {condition.age:g} s"
        case "stage.lost":
            return f"`{stage}` has all of its offsets again"
        case "topic.changed":
            return f"the topic of {condition.key.rpartition('/')[2]} is as its version says"
        case "control.unread" | "control.unfit" | "switch.ended":
            return f"no longer so: {condition.detail}"
        case "schedule.overdue":
            target = f"`{condition.schedule}` is" if condition.schedule else "others are"
            detail = f"; {condition.detail}" if condition.detail else ""
            return f"{target} no longer overdue{detail}"
        case "ledger.lags":
            return "the ledger has caught up"


def unwatched_text(firing: Alert) -> str:
    """Return the text of an alert that is resolved because its condition is there no longer.
    `firing` is the alert as it fired."""
    if firing.kind in ("control.unread", "control.unfit", "switch.ended"):
        return f"no longer so: {firing.text}"
    return f"watched no more: {firing.text}"


def late_run_text(row: RunRow) -> str:
    """Return the text of the alert for a run that is open after its deadline."""
    assert row["root"] is not None
    waiting = sorted(name for name, edge in row["edges"].items() if in_flight(edge))
    edges = f"; in flight: {', '.join(waiting[:_MAX_NAMED_EDGES])}" if waiting else ""
    origin = origin_text(row["root"])
    of = f" of the schedule {origin}" if origin else ""
    return f"run {row['run']}{of} is not complete within {row['root'].get('within', 0):g} s{edges}"


def late_run_resolved_text(row: RunRow) -> str:
    """Return the text for a run that was late, and is complete, or deleted without completion."""
    if row["closed"] is None:
        return f"run {row['run']} is forgotten, and was never complete"
    seconds = (row["closed"] - row["opened"]) / 1000
    return f"run {row['run']} is {row['status']}, after {grouped(round(seconds))} s"


def _offsets_text(number: int) -> str:
    return "1 offset" if number == 1 else f"{grouped(number)} offsets"
