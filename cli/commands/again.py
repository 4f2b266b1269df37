"""How is a run repeated?"""

from __future__ import annotations

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=shell_completion.complete_runs)
@json_option
@click.pass_obj
def again(context: CliContext, run_id: str, as_json: bool) -> None:
    """Publish the root of RUN again, which opens a new run.

    The id of the new run is printed. The new run is wired by the version that is in force now, and
    the books name the run that it repeats.
    """
    from farandole.operations.runs.again import AgainRequest, repeat_run

    context.configure_logs()
    request = AgainRequest(run_id)
    published = context.run(lambda installation: repeat_run(installation, request))
    if as_json:
        print_json(published)
    else:
        print_line(published.run)
