"""What is wrong with a topology file?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli.context import CliContext
from farandole.cli.options import file_argument, json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError


@click.command()
@file_argument
@json_option
@click.pass_obj
def lint(context: CliContext, file: Path | None, as_json: bool) -> None:
    """Check FILE (default: the folder's topology.yaml) and the functions that it names.

    Needs no broker. Each finding is FILE:LINE:COLUMN, what is wrong and what helps; exit 1 if one
    of them is an error.
    """
    checked = context.check_topology(file)
    if as_json:
        print_json([finding.as_json() for finding in checked.findings])
        if not checked.fit:
            raise click.exceptions.Exit(1)
        return
    lines = [str(finding) for finding in checked.findings]
    if not checked.fit or checked.form is None:
        raise CommandError(*lines)
    for line in lines:
        click.echo(line, err=True)
    form = checked.form
    print_line(
        f"{file or context.file}: {form.pipeline} is fit to be applied: "
        f"{_count_text(len(form.stages), 'stage')}, {_count_text(len(form.event_types()), 'event')}"
    )


def _count_text(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
