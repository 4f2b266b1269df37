"""How is a list of runs shown on a terminal?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.cli.rendering.tables import format_columns
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_elapsed, format_timestamp_ms
from farandole.operations.runs.newest_runs import RunSummary


def runs_table(runs: Sequence[RunSummary], now: int) -> list[str]:
    """Return a table of runs, one line each; `now` in milliseconds of the epoch."""
    head = ("run", "pipeline", "status", "opened (UTC)", "took", "events", "dead", "in flight")
    rows = [
        (
            single_line(run.run),
            single_line(f"{run.pipeline}@{run.version}"),
            single_line(run.status) + (", late" if run.late else ""),
            format_timestamp_ms(run.opened) if run.opened else "",
            format_elapsed(((run.closed or now) - run.opened) / 1000) if run.opened else "",
            f"{run.events:,}",
            f"{run.dead:,}",
            f"{run.in_flight:,}",
        )
        for run in runs
    ]
    return format_columns([head, *rows], left=3)
