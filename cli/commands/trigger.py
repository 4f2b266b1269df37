"""How is a root published?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@click.argument("event_type", metavar="TYPE", shell_complete=shell_completion.complete_root_types)
@click.option(
    "--data", required=True, metavar="JSON|@FILE|-", help="The event's data; - for standard input."
)
@click.option("--force", is_flag=True, help="Publish whatever it is, to any event type.")
@json_option
@click.pass_obj
def trigger(context: CliContext, event_type: str, data: str, force: bool, as_json: bool) -> None:
    """Publish an event of TYPE and print the run that it opens.

    The data are checked as the subscribing stages will check them.
    """
    from farandole.operations.events.trigger import TriggerRequest
    from farandole.operations.events.trigger import trigger as publish

    context.configure_logs()
    request = TriggerRequest(event_type, _read_data(data), force)
    published = context.run(lambda installation: publish(installation, request))
    if as_json:
        print_json(published)
    else:
        print_line(published.run)


def _read_data(option: str) -> bytes:
    """Return the data as one line of JSON. Raises UsageError."""
    from farandole.events.json_text import compact_json, parse_json

    try:
        if option == "-":
            raw = sys.stdin.buffer.read()
        elif option.startswith("@"):
            raw = Path(option[1:]).read_bytes()
        else:
            raw = option.encode("utf-8", "surrogateescape")
        parse_json(raw)
        return compact_json(raw.decode()).encode()
    except OSError as error:
        raise click.UsageError(f"--data {option}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--data is not JSON: {error}") from None
