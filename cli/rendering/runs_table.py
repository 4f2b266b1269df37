"""How is a list of runs shown on a terminal?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from farandole.cli.rendering.tables import Alarm, alarm_count, format_columns
from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_elapsed, format_recent_ms
from farandole.operations.runs.newest_runs import RunSummary


def runs_table(runs: Sequence[RunSummary], now: int) -> list[str]:
    """Return a table of runs, one line each; `now` in milliseconds of the epoch."""
    head = ("run", "pipeline", "status", "opened (UTC)", "took", "events", "dead", "in flight")
    at = datetime.fromtimestamp(now / 1000, UTC)
    rows = [
        (
            single_line(run.run),
            single_line(f"{run.pipeline}@{run.version}"),
            _status(run),
            format_recent_ms(run.opened, at) if run.opened else "",
            format_elapsed(((run.closed or now) - run.opened) / 1000) if run.opened else "",
            grouped(run.events),
            alarm_count(run.dead),
            grouped(run.in_flight),
        )
        for run in runs
    ]
    table = [head, *rows]
    if not any(run.schedule for run in runs):
        return format_columns(table, left=3)
    names = ["schedule", *(single_line(run.schedule or "") for run in runs)]
    return format_columns(
        [(*row[:3], name, *row[3:]) for row, name in zip(table, names, strict=True)], left=4
    )


def _status(run: RunSummary) -> str:
    status = single_line(run.status) + (", late" if run.late else "")
    if run.failed_checks:
        status += (
            f", {run.failed_checks} checks failed" if run.failed_checks > 1 else ", a check failed"
        )
    is_bad = run.late or run.failed_checks or run.status in ("failed", "unopened")
    return Alarm(status) if is_bad else status
