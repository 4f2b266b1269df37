"""How is an incident acknowledged?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.output import print_line
from farandole.operations.current_user import current_user


@click.command()
@click.argument("incident", metavar="ID")
@click.pass_obj
def ack(context: CliContext, incident: str) -> None:
    """Tell others that you take care of an incident.

    No more digests of it are sent, only a notice when it is resolved.
    """
    from farandole.operations.incidents.incidents import AcknowledgeRequest, acknowledge

    context.configure_logs()
    request = AcknowledgeRequest(incident, current_user())
    result = context.run(lambda installation: acknowledge(installation, request))
    print_line(f"{result.incident}: no digest any more, by {result.by}")
