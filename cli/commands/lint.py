"""What is wrong with a topology file?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli.context import CliContext, print_warning
from farandole.cli.options import file_argument, json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.counts import count_text


@click.command()
@file_argument
@json_option
@click.pass_obj
def lint(context: CliContext, file: Path | None, as_json: bool) -> None:
    """Check a topology file and the functions that it names.

    FILE is by default the folder's topology.yaml. No broker is needed. Each finding is
    FILE:LINE:COLUMN, what is wrong and what helps. Exit code 1: at least one is an error.
    """
    from farandole.operations.topology_source import findings_error

    checked = context.check_topology(file)
    if as_json:
        print_json([finding.as_json() for finding in checked.findings])
        if not checked.is_fit:
            raise click.exceptions.Exit(1)
        return
    if not checked.is_fit or checked.topology is None:
        raise findings_error(checked.findings)
    for warning in checked.findings:
        print_warning(warning)
    model = checked.topology
    counts = [
        count_text(len(model.stages), "stage"),
        count_text(len(model.event_types()), "event"),
        *([count_text(len(model.schedules), "schedule")] if model.schedules else []),
    ]
    print_line(
        f"{file or context.file}: {model.pipeline} is fit to be applied: {', '.join(counts)}"
    )
