"""Which alert is raised for a run that a gate does not let in?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.alert_record import Alert
from farandole.events.check_verdict import CheckVerdicts
from farandole.events.next_step import CommandLine, NextStep
from farandole.events.run_row import RunRow

_MAX_REASON = 90  # characters: a notice shows 300 of the text


def firing_alert(
    run: RunRow, stage: str, failed: CheckVerdicts, command_line: CommandLine
) -> Alert:
    """Return the alert for a run that waits because these checks have failed."""
    first, *others = sorted(failed)
    reason = f"{first}: {failed[first].get('why', '')[:_MAX_REASON]}"
    more = f", and {len(others)} more" if others else ""
    release = NextStep("let it in", ("gates", "release", run["run"], "--reason TEXT")).text(
        command_line
    )
    cancel = NextStep("or end it", ("cancel", run["run"])).text(command_line)
    text = f"run {run['run']} waits before `{stage}`: {reason}{more}; {release}; {cancel}"
    return _alert(run, stage, text, run["gates"][stage]["at"], "firing")


def resolved_alert(run: RunRow, stage: str, at: int) -> Alert:
    """Return the alert that resolves the one of a run that waits no longer. `at`: milliseconds of
    the epoch."""
    text = f"run {run['run']} waits no longer before `{stage}`"
    return _alert(run, stage, text, at, "resolved")


def _alert(run: RunRow, stage: str, text: str, since: int, state: str) -> Alert:
    return Alert.model_validate(
        {
            "kind": "gate.failed",
            "key": f"{run['pipeline']}/gate/{stage}/{run['run']}",
            "pipeline": run["pipeline"],
            "stage": stage,
            "run": run["run"],
            "text": text,
            "since": datetime.fromtimestamp(since / 1000, UTC),
            "state": state,
        }
    )
