"""How is a pipeline drained, for a deployment or for maintenance?"""

from __future__ import annotations

from collections.abc import Sequence
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
    from farandole.operations.drain.drain_state import DrainState

EXIT_NOT_DRAINED = 3
EXIT_NO_DRAIN = 4


@click.command()
@click.argument("pipeline", required=False, shell_complete=shell_completion.complete_pipelines)
@click.option("--wait", is_flag=True, help="Return when it is drained.")
@click.option(
    "--timeout", type=DurationParameter(), metavar="10m", help="With --wait: not for longer."
)
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option(
    "--except",
    "excepted",
    metavar="RUN",
    multiple=True,
    shell_complete=shell_completion.complete_runs,
    help="A run that need not end.",
)
@click.option("--check", is_flag=True, help="Only say whether it is drained.")
@click.option("--end", is_flag=True, help="End the drain: roots go on.")
@by_option
@comment_option
@json_option
@click.pass_obj
def drain(
    context: CliContext,
    pipeline: str | None,
    wait: bool,
    timeout: timedelta | None,
    length: timedelta | None,
    excepted: Sequence[str],
    check: bool,
    end: bool,
    by: str | None,
    comment: str,
    as_json: bool,
) -> None:
    """Let no further run begin, and what is in flight end.

    Roots wait in their topics; everything else goes on. The pipeline is drained when the books
    prove that nothing is in flight; until then the command names what hinders it. Without PIPELINE
    it is that of the file. The exit status is 0 if it is drained (or, without --wait and --check,
    if the drain is ordered), 3 if it is not drained, 4 if nobody drains it (any more).
    """
    from farandole.operations.drain import drain as operations

    _check_options(wait, timeout, length, check, end, comment)
    context.configure_logs()
    if end:
        ended = context.run(lambda installation: operations.end_drain(installation, pipeline))
        if as_json:
            print_json(ended.to_data())
        else:
            was = "its roots go on" if ended.since else "it was not drained"
            print_line(f"{ended.pipeline}: {was}")
        return
    if not check:
        request = operations.DrainRequest(by or current_user(), pipeline, length, comment)
        context.run(lambda installation: operations.order_drain(installation, request))
    if wait:
        from farandole.cli.rendering.drain_view import progress_text

        with ProgressLine() as line:
            state = context.run(
                lambda installation: operations.wait_until_drained(
                    installation,
                    pipeline,
                    timeout=timeout,
                    excepted=excepted,
                    progress=lambda each: line.say(progress_text(each)),
                )
            )
    else:
        state = context.run(
            lambda installation: operations.read_drain(installation, pipeline, excepted)
        )
    _print_state(context, state, as_json)
    if wait or check:
        raise click.exceptions.Exit(_exit_status(state))


def _check_options(
    wait: bool,
    timeout: timedelta | None,
    length: timedelta | None,
    check: bool,
    end: bool,
    comment: str,
) -> None:
    if sum((wait, check, end)) > 1:
        raise click.UsageError("--wait, --check and --end exclude each other")
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is for --wait")
    if length is not None and (check or end):
        raise click.UsageError("--for orders a drain: neither with --check nor with --end")
    if comment and (check or end):
        raise click.UsageError("--comment is for an order: neither with --check nor with --end")


def _print_state(context: CliContext, state: DrainState, as_json: bool) -> None:
    from farandole.cli.rendering.drain_view import drain_lines

    if as_json:
        print_json(state.to_data())
        return
    for line in drain_lines(state, context.command_line):
        print_line(line)


def _exit_status(state: DrainState) -> int:
    if state.state == "open":
        return EXIT_NO_DRAIN
    return 0 if state.state == "drained" else EXIT_NOT_DRAINED
