"""How does the bookkeeper run?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.services.service_runner import exit_for_restart, service_lifetime


@click.command()
@click.pass_obj
def keep_books(context: CliContext) -> None:
    """Keep the books until Ctrl-C: what became of each run, and when it is complete.

    It follows every pipeline of this Kafka and namespace, and writes to farandole.runs. Any number
    of these may run: they share the work, and one takes over from another when it ends. No event
    waits for it: what is not in the books yet is there once it runs again.
    """
    context.configure_logs("info")
    run_async(_keep_books(context))


async def _keep_books(context: CliContext) -> None:
    from farandole.ledger.service import run_bookkeeper

    settings = await context.connect()
    with exit_for_restart("books.ended"):
        async with service_lifetime() as stopping:
            await run_bookkeeper(settings, stopping)
    print_line("nobody keeps the books any more")
