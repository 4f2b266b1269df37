"""Which runs were there, and how did they end?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import MomentParameter
from farandole.cli.rendering.tables import format_columns
from farandole.events.time_format import format_elapsed, format_timestamp_ms

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.operations.runs.newest_runs import NewestRuns, RunSummary

_SPARE_ROWS = 1_000  # rows that are held besides those that are asked for


@click.command()
@click.option("--pipeline", metavar="NAME", help="Of this pipeline alone.")
@click.option("--status", metavar="WORDS", help="running, failed, … or how it begins.")
@click.option(
    "--since", type=MomentParameter(), metavar="2h", help="Opened in the last 2 h, or since then."
)
@click.option("--until", type=MomentParameter(), metavar="1h", help="Opened before that.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@click.pass_obj
def runs(
    context: CliContext,
    pipeline: str | None,
    status: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, the newest first: when each was opened, how long it took, how many events it had,
    and what of it died or is in flight.

    Times are UTC. What one run did: farandole run ID
    """
    from farandole.events.run_row import RUN_STATUSES

    if status is not None and not any(s.startswith(status) for s in RUN_STATUSES):
        raise click.UsageError(
            f"no status begins with {status!r}; there are {', '.join(RUN_STATUSES)}"
        )

    def wanted(each: RunSummary) -> bool:
        return (
            pipeline in (None, each.pipeline)
            and each.status.startswith(status or "")
            and (since is None or each.opened >= since)
            and (until is None or each.opened < until)
        )

    context.configure_logs()
    run_async(_list_runs(context, wanted, limit, as_json))


async def _list_runs(
    context: CliContext, wanted: Callable[[RunSummary], bool], limit: int, as_json: bool
) -> None:
    from farandole.operations.reason_text import reason_text
    from farandole.operations.runs import run_rows
    from farandole.operations.runs.bookkeeper_lag import no_run_rows_error, read_bookkeeper_lag

    settings = await context.connect()
    if not await run_rows.run_rows_exist(settings):
        raise no_run_rows_error(await read_bookkeeper_lag(settings))
    found = [*await _find_newest_runs(settings, wanted, limit)][: limit + 1]
    if as_json:
        print_json([each._asdict() for each in found[:limit]])
        return
    if not found:
        print_line("no such run")
        return
    for line in format_columns(_runs_table(found[:limit], int(time.time() * 1000)), left=3):
        print_line(line)
    if len(found) > limit:
        print_line(f"and older ones (--limit {10 * limit})")
    if any(each.closed is None for each in found[:limit]):
        problem = (await read_bookkeeper_lag(settings)).problem()
        behind = reason_text(problem) if problem else None
        if behind:
            print_line(behind)


async def _find_newest_runs(
    settings: Settings, wanted: Callable[[RunSummary], bool], limit: int
) -> NewestRuns:
    """As many as are asked for, and one: so that it can be said that there are more."""
    from farandole.operations.runs import run_rows
    from farandole.operations.runs.newest_runs import NewestRuns

    room = limit + 1 + _SPARE_ROWS
    while True:
        newest = NewestRuns(wanted, room)
        async for batch in run_rows.read_run_records(settings):
            for each in batch:
                newest.add(each.run, each.row)
        if newest.sure(limit + 1):
            return newest
        room *= 8


def _runs_table(found: list[RunSummary], now: int) -> list[tuple[str, ...]]:
    from farandole.events.safe_text import single_line

    head = ("run", "pipeline", "status", "opened (UTC)", "took", "events", "dead", "in flight")
    return [
        head,
        *(
            (
                single_line(each.run),
                single_line(f"{each.pipeline}@{each.version}"),
                single_line(each.status) + (", late" if each.late else ""),
                format_timestamp_ms(each.opened) if each.opened else "",
                format_elapsed(((each.closed or now) - each.opened) / 1000) if each.opened else "",
                f"{each.events:,}",
                f"{each.dead:,}",
                f"{each.in_flight:,}",
            )
            for each in found
        ),
    ]
