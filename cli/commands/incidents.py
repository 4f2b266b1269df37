"""Which incidents are there, and what was sent about them?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line

_EXPLAIN = "explain"


@click.command()
@click.argument("incident", metavar="[explain] [ID]", required=False)
@click.argument("explained", metavar="", required=False)
@click.option("--all", "every", is_flag=True, help="Also those that were resolved, for seven days.")
@json_option
@click.pass_obj
def incidents(
    context: CliContext, incident: str | None, explained: str | None, every: bool, as_json: bool
) -> None:
    """List incidents, or show one and what was sent about it.

    An incident is a group of failures that belong together. With ID: how many failures it
    has, since when, two samples, and what was sent. With `explain ID`: who is told of it, when
    and why. The notifier records incidents: unless one
    runs (`farandole up` or `farandole notify`), nothing new is listed.
    """
    context.configure_logs()
    if incident == _EXPLAIN:
        if explained is None:
            raise click.UsageError("name an incident: `farandole incidents` lists them")
        _explain_incident(context, explained, as_json)
    elif explained is not None:
        raise click.UsageError(f"{explained!r} is one word too many; did you mean `explain`?")
    elif incident is not None:
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


def _explain_incident(context: CliContext, incident: str, as_json: bool) -> None:
    from farandole.cli.rendering.explanation_view import explanation_lines
    from farandole.operations.incidents.explain_incident import ExplainRequest, explain_incident

    request = ExplainRequest(incident)
    found = context.run(lambda installation: explain_incident(installation, request))
    if as_json:
        print_json(found.to_data())
        return
    for line in explanation_lines(found):
        print_line(line)
