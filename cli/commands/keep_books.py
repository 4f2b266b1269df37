"""How does the bookkeeper run?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.output import print_line
from farandole.cli.rendering.errors import exit_unless_zero
from farandole.services.async_runner import run_async


@click.command()
@click.pass_obj
def keep_books(context: CliContext) -> None:
    """Record what became of each run, until Ctrl-C.

    The bookkeeper follows every pipeline of this Kafka and namespace, and writes to farandole.runs.
    Several may run: they share the work, and one takes over when another ends. No event waits for
    the bookkeeper: what it has missed is in the books once it runs again.
    """
    context.configure_logs("info")
    exit_unless_zero(run_async(_keep_books(context)))
    print_line("nobody keeps the books any more")


async def _keep_books(context: CliContext) -> int:
    from farandole.services.bookkeeper_service import run_bookkeeper_service

    return await run_bookkeeper_service(await context.connect(), context.folder)
