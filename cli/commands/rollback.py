"""How does a pipeline go back to an earlier version?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import allow_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.operations.current_user import current_user


@click.command()
@click.argument("version", type=click.IntRange(min=1), required=False)
@allow_option
@json_option
@click.pass_obj
def rollback(
    context: CliContext, version: int | None, allowed: tuple[str, ...], as_json: bool
) -> None:
    """Publish what VERSION said as the next version; by default the one before the newest.

    The topology file stays as it is: `farandole route` waits for it to be saved, `farandole apply`
    would apply it. For how long topics keep what they hold is no part of a version, and stays.
    """
    from farandole.cli.rendering.apply_view import apply_lines
    from farandole.operations.topology.rollback import RollbackRequest, roll_back

    context.configure_logs()
    request = RollbackRequest(current_user(), version, allowed)
    result = context.run(lambda installation: roll_back(installation, request))
    if as_json:
        print_json(result.to_data())
    else:
        for line in apply_lines(result):
            print_line(line)
    if result.file_differs:
        click.echo(
            f"{context.file} says something else, and its next save applies that again", err=True
        )
