"""When do schedules fire, what became of their planned times, and how are they steered?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from farandole.cli import shell_completion
from farandole.cli.command_groups import CommandGroup
from farandole.cli.context import CliContext
from farandole.cli.options import by_option, comment_option, json_option
from farandole.cli.output import print_json, print_line, print_wrapped
from farandole.cli.parameters import DurationParameter, MomentParameter, UntilParameter
from farandole.cli.progress import ProgressLine
from farandole.events.time_format import utc_timestamp
from farandole.operations.current_user import current_user

if TYPE_CHECKING:
    from farandole.operations.schedules.fire import FireResult
    from farandole.operations.schedules.pause_schedule import PauseScheduleRequest

EXIT_NOT_COMPLETED = 3
CommandFunction = Callable[..., Any]

_pipeline_option = click.option(
    "--pipeline",
    metavar="NAME",
    help="Of this pipeline.  [default: that of the file]",
    shell_complete=shell_completion.complete_pipelines,
)
_schedule_argument = click.argument(
    "schedule", metavar="NAME", shell_complete=shell_completion.complete_schedules
)


def _pause_options(command: CommandFunction) -> CommandFunction:
    """Add the argument and the options of `pause` and `resume`."""
    for option in reversed(
        (
            click.argument(
                "schedule",
                metavar="NAME",
                required=False,
                shell_complete=shell_completion.complete_schedules,
            ),
            click.option("--all", "every", is_flag=True, help="Every schedule of the pipeline."),
            click.option(
                "--for", "length", type=DurationParameter(), metavar="2h", help="For so long."
            ),
            click.option(
                "--until",
                type=UntilParameter(),
                metavar="TIME",
                help="Until then, in UTC, or with an offset.",
            ),
            _pipeline_option,
            by_option,
            comment_option,
            json_option,
        )
    ):
        command = option(command)
    return command


class _ScheduleCommands(CommandGroup):
    """The commands below `schedules`, behind which a name is often the first word."""

    def otherwise(self, word: str, names: Sequence[str]) -> str:
        return f"to see one schedule: farandole schedules show {shlex.quote(word)}"


@click.group(cls=_ScheduleCommands, invoke_without_command=True)
@click.option(
    "--pipeline",
    metavar="NAME",
    help="Of this pipeline alone.",
    shell_complete=shell_completion.complete_pipelines,
)
@json_option
@click.pass_context
def schedules(click_context: click.Context, pipeline: str | None, as_json: bool) -> None:
    """List schedules: when they fire next, and how it went last.

    For each: what lets it fire, its next five planned times, what became of the last one and why,
    its last run, what waits, and whether it is paused or overdue. The commands below show the
    history of one, pause, resume, or fire it by hand.
    """
    if click_context.invoked_subcommand is not None:
        if as_json or pipeline is not None:
            raise click.UsageError("say what is meant behind the command's name")
        return
    from farandole.cli.rendering.schedules_view import schedules_lines
    from farandole.operations.schedules.list_schedules import SchedulesRequest, list_schedules

    context: CliContext = click_context.obj
    context.configure_logs()
    request = SchedulesRequest(pipeline)
    result = context.run(lambda installation: list_schedules(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    for line in schedules_lines(result, context.command_line):
        print_wrapped(line)


@schedules.command()
@_schedule_argument
@click.option("--history", is_flag=True, help="What became of each planned time.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="With --history: the newest so many.",
)
@click.option(
    "--since",
    type=MomentParameter(),
    metavar="2d",
    help="With --history: planned in the last 2 d, or since then.",
)
@_pipeline_option
@json_option
@click.pass_obj
def show(
    context: CliContext,
    schedule: str,
    history: bool,
    limit: int,
    since: int | None,
    pipeline: str | None,
    as_json: bool,
) -> None:
    """Show one schedule, its backfills and its history.

    Each planned time ends in one record: it has fired, or it was skipped, missed, excluded or
    merged, and the record says why. They are kept for 90 days.
    """
    from farandole.cli.rendering.schedules_view import schedule_lines
    from farandole.operations.schedules.show_schedule import ShowRequest, show_schedule

    context.configure_logs()
    begin = datetime.fromtimestamp(since / 1000, UTC) if since is not None else None
    request = ShowRequest(schedule, pipeline, history or begin is not None, limit, begin)
    result = context.run(lambda installation: show_schedule(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    for line in schedule_lines(result, context.command_line, named=pipeline is not None):
        print_wrapped(line)


@schedules.command()
@_pause_options
@click.pass_obj
def pause(context: CliContext, /, as_json: bool, **options: Any) -> None:
    """Let schedule NAME fire no more until it is resumed.

    What becomes of the planned times of that time, its `catch_up` says. Runs go on.
    """
    from farandole.cli.rendering.schedule_text import until_text
    from farandole.operations.schedules.pause_schedule import pause_schedule

    request = _pause_request(**options)
    context.configure_logs()
    result = context.run(lambda installation: pause_schedule(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    until = until_text(result.until, result.local)
    if options["every"]:
        print_line(f"{result.pipeline}: every schedule ({len(result.schedules)}) is paused{until}")
        return
    for name in result.schedules:
        print_line(f"{name}: paused{until}")


@schedules.command()
@_pause_options
@click.pass_obj
def resume(context: CliContext, /, as_json: bool, **options: Any) -> None:
    """Let a paused schedule NAME fire again, whatever the file says.

    With --for or --until: until then, and afterwards as the file says. For a schedule that is gone,
    delete what documents say of it.
    """
    from farandole.cli.rendering.schedule_text import pause_of_schedule_text, until_text
    from farandole.operations.schedules.pause_schedule import resume_schedule

    request = _pause_request(**options)
    context.configure_logs()
    result = context.run(lambda installation: resume_schedule(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    if result.deleted:
        (name,) = result.schedules
        what = "has no such schedule; what documents said of it is deleted"
        print_line(f"{name}: {result.pipeline} {what}")
        return
    until = until_text(result.until, result.local)
    if options["every"]:
        were = (
            f"paused before: {', '.join(result.resumed)}" if result.resumed else "none was paused"
        )
        count = len(result.schedules)
        print_line(f"{result.pipeline}: every schedule ({count}) goes on{until}; {were}")
    for name in () if options["every"] else result.schedules:
        pause = result.resumed.get(name)
        was = f"it was {pause_of_schedule_text(pause)}" if pause else "it was not paused"
        print_line(f"{name}: goes on{until}; {was}")
    _tell_of_no_scheduler(context, result.schedulers)


@schedules.command()
@_schedule_argument
@click.argument("planned", metavar="now|TIME")
@click.option("--wait", is_flag=True, help="Return when its run has ended.")
@click.option(
    "--timeout", type=DurationParameter(), metavar="10m", help="With --wait: not for longer."
)
@click.option("--unplanned", is_flag=True, help="Also for a time that is no planned one.")
@_pipeline_option
@by_option
@comment_option
@json_option
@click.pass_obj
def fire(
    context: CliContext,
    schedule: str,
    planned: str,
    wait: bool,
    timeout: timedelta | None,
    unplanned: bool,
    pipeline: str | None,
    by: str | None,
    comment: str,
    as_json: bool,
) -> None:
    """Fire schedule NAME once, at once, as for TIME.

    TIME is a planned time that has come: 2026-11-24T02:30 in the zone of the schedule, or with an
    offset such as Z. The data of the event are those of that time. `now` is this second, planned
    or not: ${planned} is now, and ${previous} the last planned time before it. It fires also if it
    is paused, if its last run has not ended, and if it has fired for TIME before. With --wait the
    exit status is 0 if the run has completed, 3 if it has not (in time).
    """
    from farandole.operations.schedules.fire import FireRequest
    from farandole.operations.schedules.fire import fire as order_firing

    if timeout is not None and not wait:
        raise click.UsageError("--timeout is for --wait")
    context.configure_logs()
    request = FireRequest(schedule, by or current_user(), planned, pipeline, unplanned, comment)
    result = context.run(lambda installation: order_firing(installation, request))
    if not wait:
        if as_json:
            print_json(result.to_data())
        else:
            at = utc_timestamp(result.planned)
            print_line(f"{result.schedule}: fires for {at} (order {result.id})")
        _tell_of_no_scheduler(context, result.schedulers)
        return
    _tell_of_no_scheduler(context, result.schedulers)
    _wait(context, result, timeout, as_json)


def _wait(context: CliContext, order: FireResult, timeout: timedelta | None, as_json: bool) -> None:
    from farandole.operations.schedules.fire import wait_for_run

    with ProgressLine() as line:
        fired = context.run(
            lambda installation: wait_for_run(
                installation, order, timeout=timeout, progress=line.say
            )
        )
    if as_json:
        print_json({**order.to_data(), "fired": fired.to_data() if fired else None})
    elif fired is None:
        print_line(f"{order.schedule}: its run has not ended in time (order {order.id})")
    else:
        print_line(f"{order.schedule}: run {fired.run}: {fired.status}")
    if fired is None or fired.status not in ("completed", "settled"):
        raise click.exceptions.Exit(EXIT_NOT_COMPLETED)


def _pause_request(
    schedule: str | None,
    every: bool,
    length: timedelta | None,
    until: datetime | None,
    pipeline: str | None,
    by: str | None,
    comment: str,
) -> PauseScheduleRequest:
    from farandole.operations.schedules.pause_schedule import PauseScheduleRequest

    if (schedule is None) is not every:
        raise click.UsageError("say either which schedule NAME, or --all")
    return PauseScheduleRequest(by or current_user(), schedule, pipeline, length, until, comment)


def _tell_of_no_scheduler(context: CliContext, schedulers: int) -> None:
    """Say on standard error that nothing fires, if no scheduler is at work."""
    from farandole.cli.rendering.schedules_view import no_scheduler_text

    if not schedulers:
        click.echo(no_scheduler_text(context.command_line), err=True)
