"""How are roots published?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line

if TYPE_CHECKING:
    from farandole.events.event_lines import EventLine


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
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Events as lines of JSON, as `tail --save` writes them.",
)
@click.option("--force", is_flag=True, help="Publish whatever it is, to any event type.")
@json_option
@click.pass_obj
def trigger(
    context: CliContext,
    event_type: str | None,
    data: str | None,
    file: Path | None,
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
            for line in _read_lines(file)
        ]
        roots = context.run(lambda installation: trigger_all(installation, requests))
        if as_json:
            print_json(roots)
        for root in () if as_json else roots:
            print_line(root.run)
        return
    if event_type is None or data is None:
        raise click.UsageError("say TYPE and --data, or --file")
    request = TriggerRequest(event_type, _read_data(data), force)
    published = context.run(lambda installation: publish(installation, request))
    if as_json:
        print_json(published)
    else:
        print_line(published.run)


def _read_lines(file: Path) -> list[EventLine]:
    """Return the events of a file. Raises UsageError."""
    from farandole.events.event_lines import parse_event_lines

    try:
        with click.open_file(str(file), "rb") as stream:
            return [*parse_event_lines(stream)]
    except OSError as error:
        raise click.UsageError(f"--file {file}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--file {file}: {error}") from None


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
