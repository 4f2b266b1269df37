"""How does the bookkeeper run?"""

from __future__ import annotations

import click

from farandole.console.output import say
from farandole.console.processes.serving import serving, started_again
from farandole.console.wiring import Here, run


@click.command()
@click.pass_obj
def keep_books(here: Here) -> None:
    """Keep the books until Ctrl-C: what became of each run, and when it is complete.

    It follows every pipeline of this Kafka and namespace, and writes to farandole.runs. Any number
    of these may run: they share the work, and one takes over from another when it ends. No event
    waits for it: what is not in the books yet is there once it runs again.
    """
    here.logs("info")
    run(_keep_books(here))


async def _keep_books(here: Here) -> None:
    from farandole.ledger.service import keep

    settings = await here.reached()
    with started_again("books.ended"):
        async with serving() as stopping:
            await keep(settings, stopping)
    say("nobody keeps the books any more")
