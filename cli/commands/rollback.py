"""How is an earlier version put in force again?"""

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
    """Publish an earlier version's content as the next version.

    VERSION is by default the one before the newest. The topology file is not changed: `farandole
    route` does not apply it before it is saved again, and `farandole apply` would apply it. The
    retention of topics is not part of a version and does not change.
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
