"""How is an incident acknowledged?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.operations.current_user import current_user


@click.command()
@click.argument("incident", metavar="ID")
@click.option("--comment", default="", metavar="TEXT", help="What you know or do.")
@json_option
@click.pass_obj
def ack(context: CliContext, incident: str, comment: str, as_json: bool) -> None:
    """Tell others that you take care of an incident.

    No more digests of it are sent, only a notice when it is resolved.
    """
    from farandole.operations.incidents.incidents import AcknowledgeRequest, acknowledge

    context.configure_logs()
    request = AcknowledgeRequest(incident, current_user(), comment)
    result = context.run(lambda installation: acknowledge(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    print_line(f"{result.incident}: no digest any more, by {result.by}")
