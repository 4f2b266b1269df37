"""How is the folder's topology file published?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli.context import CliContext
from farandole.cli.options import allow_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.operations.current_user import current_user


@click.command()
@click.argument("plan", type=click.Path(dir_okay=False, path_type=Path), required=False)
@allow_option
@json_option
@click.pass_obj
def apply(context: CliContext, plan: Path | None, allowed: tuple[str, ...], as_json: bool) -> None:
    """Publish topology.yaml as the pipeline's next version.

    The topics that it needs are created. With PLAN, exactly what `farandole plan --out PLAN` has
    shown is done, or nothing if the cluster has changed since. Nothing is changed if the newest
    version has the same content.
    """
    from farandole.cli.rendering.apply_view import apply_lines
    from farandole.operations.topology.apply import ApplyRequest, apply_topology
    from farandole.operations.topology.plan_file import load_plan_file

    context.configure_logs()
    source = context.derive() if plan is None else load_plan_file(plan)
    request = ApplyRequest(source, current_user(), allowed)
    result = context.run(lambda installation: apply_topology(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    for line in apply_lines(result):
        print_line(line)
