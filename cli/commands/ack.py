"""Who takes care of a failure?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.operations.current_user import current_user


@click.command()
@click.argument("incident", metavar="ID")
@click.pass_obj
def ack(context: CliContext, incident: str) -> None:
    """Say that you take care of an incident: no digest of it is sent any more, only that it is
    resolved."""
    context.configure_logs()
    run_async(_acknowledge(context, incident))


async def _acknowledge(context: CliContext, wanted: str) -> None:
    from farandole.broker.topic_reader import read_table
    from farandole.cli.commands.incidents import find_incident
    from farandole.cli.rendering.errors import CommandError
    from farandole.events.control_documents import AcknowledgeDocument
    from farandole.notifier import notifier_tables
    from farandole.operations.control.control_publisher import publish_control

    settings = await context.connect()
    found = find_incident(
        notifier_tables.read_incidents(await read_table(settings, settings.names.incidents_topic)),
        wanted,
    )
    if found.resolved is not None:
        raise CommandError(
            f"farandole: {found.id} was resolved at {found.resolved:%Y-%m-%d %H:%M} UTC"
        )
    await publish_control(settings, AcknowledgeDocument(incident=found.id, by=current_user()))
    print_line(f"{found.id}: no digest any more, by {current_user()}")
