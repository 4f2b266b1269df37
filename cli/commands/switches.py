"""Which switches are in force, and what have they done so far?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option, optional_stage_argument
from farandole.cli.output import print_json, print_line


@click.command()
@optional_stage_argument
@json_option
@click.pass_obj
def switches(context: CliContext, stage: str | None, as_json: bool) -> None:
    """Show what is switched: since when, by whom, until when.

    With STAGE, that stage alone, also if it is on.
    """
    from farandole.cli.rendering.switches_view import switches_lines
    from farandole.operations.control.switches import SwitchesRequest, read_switches

    context.configure_logs()
    result = context.run(lambda installation: read_switches(installation, SwitchesRequest(stage)))
    if as_json:
        print_json(result.to_data())
        return
    for line in switches_lines(result, context.command_line):
        print_line(line)
