"""How does a running pipeline follow its file?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli.context import CliContext
from farandole.cli.output import print_line
from farandole.operations.current_user import current_user
from farandole.services.async_runner import run_async


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_obj
def route(context: CliContext, paths: tuple[Path, ...]) -> None:
    """Apply topology.yaml at each save if that is safe.

    This runs until Ctrl-C. A PATH is another file, or a folder in which each *.yaml and *.yml is a
    pipeline; their functions are imported from the pipeline's folder. A file with mistakes changes
    nothing, and dangerous changes wait for `farandole apply --allow`: see `farandole status`.
    """
    from farandole.services.router_service import run_router_service

    context.configure_logs("info")
    followed = paths or (context.file,)
    run_async(run_router_service(context.invocation, followed, current_user()))
    print_line("the files are watched no more; what is in force stays")
