"""How are roots published?"""

from __future__ import annotations

import sys

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.event_input import read_data, read_event_lines
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@click.argument(
    "event_type",
    metavar="[TYPE]",
    required=False,
    shell_complete=shell_completion.complete_root_types,
)
@click.option("--data", metavar="JSON|@FILE|-", help="The event's data; - for standard input.")
@click.option(
    "--file",
    metavar="FILE|-",
    help="Events as lines of JSON, as `tail --save` writes them.",
)
@click.option("--force", is_flag=True, help="Publish whatever it is, to any event type.")
@json_option
@click.pass_obj
def trigger(
    context: CliContext,
    event_type: str | None,
    data: str | None,
    file: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Publish an event of TYPE and print the run that it opens.

    The data are checked as the subscribing stages will check them. With --file, all events of the
    file are checked before the first is published.
    """
    from farandole.operations.events.trigger import TriggerRequest, trigger_all
    from farandole.operations.events.trigger import trigger as publish

    context.configure_logs()
    if file is not None:
        if event_type is not None or data is not None:
            raise click.UsageError("--file names types and data; leave out TYPE and --data")
        requests = [
            TriggerRequest(line.type, line.data, force, line.key, line.record_headers())
            for line in read_event_lines(file)
        ]
        roots = context.run(lambda installation: trigger_all(installation, requests))
        if as_json:
            print_json(roots)
        for root in () if as_json else roots:
            print_line(root.run)
        _tell_of_drain(context)
        return
    if event_type is None or data is None:
        raise click.UsageError("say TYPE and --data, or --file")
    request = TriggerRequest(event_type, read_data(data), force)
    published = context.run(lambda installation: publish(installation, request))
    if as_json:
        print_json(published)
    else:
        print_line(published.run)
    _tell_of_drain(context)


def _tell_of_drain(context: CliContext) -> None:
    """Say on a terminal that the root waits, if the pipeline is drained."""
    from farandole.operations.drain.drain import is_drained

    if sys.stderr.isatty() and context.run(is_drained):
        end = context.command_line("drain", "--end")
        click.echo(f"it waits, because the pipeline is drained; let it go on: {end}", err=True)
