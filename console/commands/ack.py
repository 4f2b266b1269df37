"""Who takes care of a failure?"""

from __future__ import annotations

import click

from farandole.console.output import say
from farandole.console.wiring import Here, run, who


@click.command()
@click.argument("incident", metavar="ID")
@click.pass_obj
def ack(here: Here, incident: str) -> None:
    """Say that you take care of an incident: no digest of it is sent any more, only that it is
    resolved."""
    here.logs()
    run(_ack(here, incident))


async def _ack(here: Here, wanted: str) -> None:
    from farandole.broker.tables import read_table
    from farandole.console.commands.incidents import find
    from farandole.console.control import publish
    from farandole.console.failing import Failed
    from farandole.events.control import Acknowledge
    from farandole.notifier import rows

    settings = await here.reached()
    found = find(rows.incidents(await read_table(settings, settings.names.incidents)), wanted)
    if found.resolved is not None:
        raise Failed(f"farandole: {found.id} was resolved at {found.resolved:%Y-%m-%d %H:%M} UTC")
    await publish(settings, Acknowledge(incident=found.id, by=who()))
    say(f"{found.id}: no digest any more, by {who()}")
