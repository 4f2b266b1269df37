"""How does a schedule fire for the planned times of the past?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import by_option, comment_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import DurationParameter
from farandole.cli.progress import ProgressLine
from farandole.operations.current_user import current_user

if TYPE_CHECKING:
    from farandole.operations.schedules.backfill import BackfillOrder
    from farandole.operations.schedules.backfill_plan import BackfillRequest

EXIT_NOT_ENDED = 3


@click.command()
@click.argument("schedule", metavar="NAME", shell_complete=shell_completion.complete_schedules)
@click.option("--from", "start", metavar="TIME", help="The first planned time.")
@click.option("--to", "end", metavar="TIME", help="Before this time.  [default: now]")
@click.option(
    "--max-parallel",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="So many of its runs at a time.",
)
@click.option("--missing", is_flag=True, help="Only what has never fired.")
@click.option("--dry-run", is_flag=True, help="Only show what would fire.")
@click.option("--yes", is_flag=True, help="Also if these are more than 1000.")
@click.option("--wait", is_flag=True, help="Return when the backfill has ended.")
@click.option(
    "--timeout", type=DurationParameter(), metavar="10m", help="With --wait: not for longer."
)
@click.option(
    "--cancel",
    metavar="ID",
    help="End this backfill.",
    shell_complete=shell_completion.complete_backfills,
)
@click.option(
    "--pipeline",
    metavar="NAME",
    help="Of this pipeline.  [default: that of the file]",
    shell_complete=shell_completion.complete_pipelines,
)
@by_option
@comment_option
@json_option
@click.pass_obj
def backfill(
    context: CliContext,
    schedule: str,
    start: str | None,
    end: str | None,
    max_parallel: int,
    missing: bool,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: timedelta | None,
    cancel: str | None,
    pipeline: str | None,
    by: str | None,
    comment: str,
    as_json: bool,
) -> None:
    """Fire schedule NAME for each planned time of a range.

    TIME is 2026-11-01 or 2026-11-01T02:30 in the zone of the schedule, or has an offset such as Z.
    Neither a pause nor runs that go on keep it from firing; excluded days do. Planned times that
    are to come fire by themselves. How far it is: farandole schedules show NAME. With --wait the
    exit status is 3 if it has not ended (in time, or by itself).
    """
    from farandole.operations.schedules.backfill_plan import BackfillRequest

    if cancel is not None:
        if start or end or missing or dry_run or yes or wait or timeout or comment:
            raise click.UsageError("--cancel ends a backfill: leave the other options out")
        context.configure_logs()
        _cancel(context, schedule, cancel, pipeline, as_json)
        return
    if start is None:
        raise click.UsageError("say since when, --from TIME, or --cancel ID")
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is for --wait")
    if dry_run and wait:
        raise click.UsageError("--dry-run and --wait exclude each other")
    context.configure_logs()
    request = BackfillRequest(
        schedule,
        by or current_user(),
        start,
        end,
        max_parallel,
        missing=missing,
        confirmed=yes,
        pipeline=pipeline,
        comment=comment,
    )
    if dry_run:
        _show_plan(context, request, as_json)
        return
    _order(context, request, wait, timeout, as_json)


def _show_plan(context: CliContext, request: BackfillRequest, as_json: bool) -> None:
    from farandole.cli.rendering.backfill_view import plan_lines
    from farandole.operations.schedules.backfill_plan import plan_backfill

    plan = context.run(lambda installation: plan_backfill(installation, request))
    if as_json:
        print_json(plan.to_data())
        return
    for line in plan_lines(plan):
        print_line(line)


def _order(
    context: CliContext,
    request: BackfillRequest,
    wait: bool,
    timeout: timedelta | None,
    as_json: bool,
) -> None:
    from farandole.cli.rendering.backfill_view import order_text
    from farandole.cli.rendering.schedules_view import no_scheduler_text
    from farandole.operations.schedules.backfill import order_backfill

    order = context.run(lambda installation: order_backfill(installation, request))
    if order.warning is not None:
        click.echo(order.warning, err=True)
    if not as_json:
        print_line(order_text(order))
    elif not wait:
        print_json({**order.to_data(), "times": len(order.times)})
    if not order.schedulers:
        click.echo(no_scheduler_text(context.command_line), err=True)
    if wait:
        _wait(context, order, timeout, as_json)


def _wait(
    context: CliContext, order: BackfillOrder, timeout: timedelta | None, as_json: bool
) -> None:
    from farandole.cli.rendering.schedule_text import backfill_progress, backfill_text
    from farandole.operations.schedules.backfill import wait_for_backfill

    with ProgressLine() as line:
        state = context.run(
            lambda installation: wait_for_backfill(
                installation,
                order,
                timeout=timeout,
                progress=lambda each: line.say(f"{order.schedule}: {backfill_progress(each)}"),
            )
        )
    if as_json:
        print_json(state.to_data())
    else:
        print_line(backfill_text(state))
    if state.ended is None or state.why:
        raise click.exceptions.Exit(EXIT_NOT_ENDED)


def _cancel(
    context: CliContext, schedule: str, backfill_id: str, pipeline: str | None, as_json: bool
) -> None:
    from farandole.cli.rendering.schedule_text import backfill_progress
    from farandole.operations.schedules.backfill import CancelBackfillRequest, cancel_backfill

    request = CancelBackfillRequest(schedule, backfill_id, pipeline)
    result = context.run(lambda installation: cancel_backfill(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    progress = backfill_progress(result.backfill)
    print_line(f"{result.schedule}: the backfill {backfill_id} fires no more; so far {progress}")
