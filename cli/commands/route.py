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
    """Watch topology.yaml, and apply at each save what is safe, until Ctrl-C.

    A PATH is another file, or a folder whose *.yaml and *.yml are pipelines side by side; their
    functions are imported from the pipeline's folder. A file with mistakes changes nothing; what is
    dangerous waits for `farandole apply --allow`. `farandole status` shows both.
    """
    from farandole.services.router_service import run_router_service

    context.configure_logs("info")
    followed = paths or (context.file,)
    run_async(run_router_service(context.invocation, followed, current_user()))
    print_line("the files are watched no more; what is in force stays")
