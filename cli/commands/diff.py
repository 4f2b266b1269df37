"""What is the difference between two versions, or between a version and the file?"""

from __future__ import annotations

from typing import Literal

import click

from farandole.cli.context import CliContext, print_warning
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import FILE_SIDE, VersionParameter


@click.command()
@click.argument("a", type=VersionParameter())
@click.argument("b", type=VersionParameter(), default=FILE_SIDE)
@json_option
@click.pass_obj
def diff(context: CliContext, a: int | str, b: int | str, as_json: bool) -> None:
    """Show what changes from version A to version B.

    `file` stands for the topology file as it is saved. The lines are those of `farandole plan`.
    """
    from farandole.operations.topology.diff import DiffRequest, diff_versions
    from farandole.router.reason_text import change_lines, change_totals

    context.configure_logs()
    before: int | Literal["file"] = a if isinstance(a, int) else FILE_SIDE
    after: int | Literal["file"] = b if isinstance(b, int) else FILE_SIDE
    request = DiffRequest(before, after)
    result = context.run(lambda installation: diff_versions(installation, request))
    for warning in result.warnings:
        print_warning(warning)
    if as_json:
        print_json(result.changes)
        return
    compared = " → ".join(
        side if isinstance(side, str) else f"{result.pipeline}@{side}" for side in (before, after)
    )
    if not result.changes:
        print_line(f"{compared}: no difference")
        return
    print_line(compared)
    for line in [*change_lines(result.changes), change_totals(result.changes)]:
        print_line(line)
