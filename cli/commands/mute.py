"""How are an incident or the failures of a stage muted?"""

from __future__ import annotations

from datetime import timedelta

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import DurationParameter
from farandole.events.time_format import utc_timestamp
from farandole.operations.current_user import current_user


@click.command()
@click.argument("target", metavar="ID|STAGE", shell_complete=shell_completion.complete_stages)
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option("--off", is_flag=True, help="Hear of it again.")
@click.option("--comment", default="", metavar="TEXT", help="Why, for the others.")
@json_option
@click.pass_obj
def mute(
    context: CliContext,
    target: str,
    length: timedelta | None,
    off: bool,
    comment: str,
    as_json: bool,
) -> None:
    """Send nothing about an incident or a stage for a while.

    Failures are still counted, and those that were added in the meantime are reported afterwards.
    """
    from farandole.operations.incidents.incidents import MuteRequest
    from farandole.operations.incidents.incidents import mute as mute_target

    if (length is None) is not off:
        raise click.UsageError("say either --for how long, or --off")
    context.configure_logs()
    request = MuteRequest(target, current_user(), length, comment)
    result = context.run(lambda installation: mute_target(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    state = f"muted until {utc_timestamp(result.until)}" if result.until else "muted no more"
    print_line(f"{result.target}: {state}")
