"""What do the data of a run, or of an event type, look like?"""

from __future__ import annotations

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@click.argument("target", metavar="RUN|EVENT", shell_complete=shell_completion.complete_event_types)
@click.option(
    "--event",
    metavar="EVENT",
    help="Of a run, only this event type.",
    shell_complete=shell_completion.complete_event_types,
)
@click.option(
    "--against",
    metavar="RUN",
    help="Compare with the profile of this run; `previous`: of the one before.",
)
@click.option("--column", metavar="NAME", help="Only this column, with its values and a histogram.")
@json_option
@click.pass_obj
def profile(
    context: CliContext,
    target: str,
    event: str | None,
    against: str | None,
    column: str | None,
    as_json: bool,
) -> None:
    """Show what the data of a run or event type look like.

    Of an event type the newest run or window is shown.

    An event type has a profile if topology.yaml says `profile: true` or has `checks:` for it. A
    line for each column: how many values, nulls, different values, and their range. An event counts
    once, when it is consumed first, as it came.
    """
    from farandole.cli.rendering.profile_view import profile_lines
    from farandole.operations.quality.show_profile import ProfileRequest, show_profile

    request = ProfileRequest(target, event=event, against=against, column=column)
    context.configure_logs()
    found = context.run(lambda installation: show_profile(installation, request))
    if as_json:
        print_json(found.to_data())
        return
    for line in profile_lines(found, whole=column is not None):
        print_line(line)
