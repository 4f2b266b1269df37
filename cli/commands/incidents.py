"""Which incidents are there, and what was sent about them?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@click.argument("incident", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="Also those that were resolved, for seven days.")
@json_option
@click.pass_obj
def incidents(context: CliContext, incident: str | None, every: bool, as_json: bool) -> None:
    """List incidents, or show one with the mails about it.

    An incident is a group of failures that belong together. With INCIDENT: how many failures it
    has, since when, two samples, and what was sent. The notifier records incidents: unless one
    runs (`farandole up` or `farandole notify`), nothing new is listed.
    """
    context.configure_logs()
    if incident is not None:
        _show_incident(context, incident, as_json)
    else:
        _list_incidents(context, every, as_json)


def _list_incidents(context: CliContext, every: bool, as_json: bool) -> None:
    from farandole.cli.rendering.incident_view import incident_table
    from farandole.operations.incidents.incidents import ListRequest, list_incidents

    request = ListRequest(resolved=every)
    listed = context.run(lambda installation: list_incidents(installation, request))
    if as_json:
        print_json([each.to_data() for each in listed])
    elif not listed:
        print_line(f"no incident{'' if every else ' is open'}")
    else:
        for line in incident_table([each.incident for each in listed]):
            print_line(line)


def _show_incident(context: CliContext, incident: str, as_json: bool) -> None:
    from farandole.cli.rendering.incident_view import incident_lines
    from farandole.operations.incidents.incidents import ShowRequest, show_incident

    request = ShowRequest(incident)
    shown = context.run(lambda installation: show_incident(installation, request))
    if as_json:
        print_json(shown.to_data())
        return
    for line in incident_lines(shown.incident, shown.sent, context.command_line):
        print_line(line)
