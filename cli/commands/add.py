"""How does a pipeline get another stage?"""

from __future__ import annotations

import click

from farandole.cli import shell_completion
from farandole.cli.command_groups import CommandGroup
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.group(cls=CommandGroup)
def add() -> None:
    """Add a stage to topology.yaml, with its function."""


@add.command()
@click.argument("name")
@click.option(
    "--after",
    metavar="EVENT",
    required=True,
    shell_complete=shell_completion.complete_event_types,
    help="The event that it subscribes to.",
)
@click.option(
    "--emits",
    metavar="EVENT",
    shell_complete=shell_completion.complete_event_types,
    help="The event that it emits, a new one or one that there is.  [default: none]",
)
@json_option
@click.pass_obj
def stage(context: CliContext, name: str, after: str, emits: str | None, as_json: bool) -> None:
    """Write a stage: function, model, and entry in topology.yaml.

    The model is that of its output. The function hands on what it gets: it can run as it is. All
    other lines of topology.yaml stay as they are. The result is linted first: if that finds
    anything, nothing is written, with exit code 1. No broker is needed.
    """
    from farandole.operations.setup.new_stage import NewStageRequest, add_stage

    request = NewStageRequest(context.topology(), name, after, emits)
    result = add_stage(request, context.settings().names)
    if as_json:
        print_json(result.to_data())
        return
    print_line(f"{result.module}: write what {result.run} does")
    print_line(f"{result.topology}: has the stage {name}")
