"""How does a new pipeline begin?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--template", metavar="minimal|feed|enrich", help="[default: minimal]")
@click.option("--name", metavar="WORD", help="The pipeline's name.  [default: like the folder's]")
@json_option
@click.pass_obj
def init(
    context: CliContext, folder: Path | None, template: str | None, name: str | None, as_json: bool
) -> None:
    """Make the folder of a new pipeline, which runs as it is.

    It has topology.yaml, functions and a test.

    minimal: two functions, an order is checked and priced. feed: a file of readings becomes rows
    of an SQLite table, each once. enrich: sales are joined with reference data.

    On a terminal, what is not given is asked for. DIR is by default this folder. Nothing is
    overwritten: if a file is in the way, nothing is written, with exit code 1.
    """
    from farandole.operations.setup.new_pipeline import (
        DEFAULT_TEMPLATE,
        TEMPLATES,
        NewPipelineRequest,
        create_pipeline,
        suggest_name,
    )

    if sys.stdin.isatty() and not as_json:
        if folder is None:
            folder = click.prompt("folder", default=context.folder, type=click.Path(path_type=Path))
        if template is None:
            for each, what in TEMPLATES.items():
                click.echo(f"  {each:8} {what}", err=True)
            template = click.prompt("template", DEFAULT_TEMPLATE, type=click.Choice([*TEMPLATES]))
        if name is None:
            name = click.prompt("name of the pipeline", suggest_name(folder))
    folder = context.folder if folder is None else folder
    result = create_pipeline(NewPipelineRequest(folder, template or DEFAULT_TEMPLATE, name))
    if as_json:
        print_json(result.to_data())
        return
    print_line(f"the pipeline {result.pipeline} begins in {folder}:")
    for file in result.files:
        print_line(f"  {file}")
    print_line("next, in that folder:")
    for step in result.next_steps:
        print_line(f"  {step}")
