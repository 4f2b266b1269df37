"""What is the balance sheet of one run?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_json_line, print_line

if TYPE_CHECKING:
    from farandole.operations.installation import Installation
    from farandole.operations.runs.balance_sheet import RunResult
    from farandole.operations.runs.show_run import RunRequest

_PRINT_INTERVAL = 1.0  # seconds, the shortest interval between two outputs of a running run


@click.command()
@click.argument("run_id", metavar="ID", shell_complete=shell_completion.complete_runs)
@click.option("--watch", is_flag=True, help="Go on until the run is closed.")
@click.option("--again", "repeated", is_flag=True, help="Begin it anew: farandole again ID")
@json_option
@click.pass_obj
def run(context: CliContext, run_id: str, watch: bool, repeated: bool, as_json: bool) -> None:
    """Show the balance sheet of a run, and what is wrong with it.

    For each event type and stage: how many events the stage was given, how many it has settled,
    and with which outcome. `oldest` is the age of the oldest event when it was settled, `each` the
    time to handle one. ID is the id of a run, or a beginning that no other run has. With --watch
    and a whole ID the run need not have been opened yet; with --json each change is one document
    on one line.
    """
    from farandole.operations.runs.show_run import RunRequest, show_run

    if not run_id:
        raise click.UsageError("ID is empty")
    context.configure_logs()
    if repeated:
        _repeat_run(context, run_id, as_json)
        return
    request = RunRequest(run_id)
    if watch:
        context.run(lambda installation: _watch_run(context, installation, request, as_json))
        return
    sheet = context.run(lambda installation: show_run(installation, request))
    if as_json:
        print_json(sheet.to_data())
        return
    _print_sheet(context, sheet)
    if sheet.bookkeeper is not None:
        from farandole.operations.reason_text import reason_text

        print_line(reason_text(sheet.bookkeeper, context.command_line))


def _print_sheet(context: CliContext, sheet: RunResult) -> None:
    from farandole.cli.rendering.run_sheet import sheet_lines

    for line in sheet_lines(sheet, context.command_line):
        print_line(line)


async def _watch_run(
    context: CliContext, installation: Installation, request: RunRequest, as_json: bool
) -> None:
    """Print or draw the run until it is closed."""
    from farandole.cli.rendering.run_sheet import progress_line, sheet_lines
    from farandole.operations.runs.show_run import watch_run

    drawn = sys.stdout.isatty() and not as_json
    printed, pending = 0.0, False
    sheet: RunResult | None = None
    with _live_screen(drawn) as draw:
        async with aclosing(watch_run(installation, request)) as updates:
            async for update in updates:
                sheet, pending = update.run, pending or update.changed
                if drawn:
                    draw(
                        sheet_lines(sheet, context.command_line)
                        if sheet
                        else [f"{request.run} is not opened yet"]
                    )
                    continue
                now, over = time.monotonic(), sheet is not None and sheet.closed is not None
                if sheet is None or not pending:
                    continue
                if not (over or now - printed >= _PRINT_INTERVAL):
                    continue
                printed, pending = now, False
                if as_json:
                    print_json_line(sheet.to_data())
                elif not over:
                    print_line(progress_line(sheet))
    if sheet is not None and not (drawn or as_json):
        _print_sheet(context, sheet)


def _repeat_run(context: CliContext, run_id: str, as_json: bool) -> None:
    """Repeat the run, as `farandole again` does."""
    from farandole.operations.runs.again import AgainRequest, repeat_run

    request = AgainRequest(run_id)
    published = context.run(lambda installation: repeat_run(installation, request))
    if as_json:
        print_json(published)
    else:
        print_line(published.run)


@contextmanager
def _live_screen(wanted: bool) -> Iterator[Callable[[Iterable[str]], None]]:
    """Yield a function that draws lines in place of those that it has drawn before. If `wanted` is
    False, it draws nothing."""
    if not wanted:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda lines: live.update(
            Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True
        )
