"""What would applying the file change?"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan for: farandole apply FILE",
)
@json_option
@click.pass_obj
def plan(context: CliContext, out: Path | None, as_json: bool) -> None:
    """Show what `apply` would change, and change nothing.

    The file is compared with the version in force. A line begins with + for what is new, ~ for
    what changes, - for what is removed, and ! for what is dangerous: `apply` refuses a dangerous
    change without the option that the line names.
    """
    from farandole.operations.topology.plan import plan_topology
    from farandole.operations.topology.plan_file import require_replaceable, save_plan_file
    from farandole.router.reason_text import plan_lines

    context.configure_logs()
    if out is not None:
        require_replaceable(out)
    derivation = context.derive()  # first: a mistake in the file needs no broker
    result = context.run(lambda installation: plan_topology(installation, derivation))
    if out is not None:
        save_plan_file(out, result.plan)
    if as_json:
        print_json(result.to_data())
        return
    for line in plan_lines(result.plan):
        print_line(line)
    if out is not None:
        apply_it = context.command_line("apply", shlex.quote(str(out)))
        print_line(f"saved; do exactly this with: {apply_it}")
