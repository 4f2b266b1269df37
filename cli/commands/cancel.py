"""How is a run cancelled?"""

from __future__ import annotations

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import by_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.events.number_format import grouped
from farandole.operations.current_user import current_user


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=shell_completion.complete_runs)
@by_option
@json_option
@click.pass_obj
def cancel(context: CliContext, run_id: str, by: str | None, as_json: bool) -> None:
    """End RUN: none of its events is handled any more.

    Events in flight are consumed and counted. Give the command again to see what is still in
    flight, and which pauses delay it.
    """
    from farandole.cli.rendering.control_text import pause_text
    from farandole.operations.control.cancel import CancelRequest, cancel_run

    context.configure_logs()
    request = CancelRequest(run_id, by or current_user())
    result = context.run(lambda installation: cancel_run(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    print_line(f"{result.run}: cancelling")
    for edge in result.in_flight:
        reason = ""
        if edge.pause is not None:
            resume = context.command_line("resume", "--all" if edge.pause.pipeline else edge.stage)
            reason = f"; {edge.stage} is {pause_text(edge.pause)}: {resume}"
        print_line(f"  {edge.edge}: {grouped(edge.events)} in flight{reason}")
