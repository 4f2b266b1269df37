"""Which records are in a topic, and which arrive?"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.output import print_byte_lines

if TYPE_CHECKING:
    from farandole.operations.events.read_records import ReadRequest
    from farandole.operations.installation import Installation


@click.command()
@click.argument(
    "event_type",
    metavar="[TYPE]",
    required=False,
    shell_complete=shell_completion.complete_event_types,
)
@click.option(
    "--dead",
    "stage",
    metavar="STAGE",
    shell_complete=shell_completion.complete_stages,
    help="Its dead letters.",
)
@click.option("--from-start", is_flag=True, help="Begin with the oldest that is kept.")
@click.option("--no-follow", is_flag=True, help="Print all that there is now, and end.")
@click.option(
    "--json", "as_json", is_flag=True, help="With id, run, key, position and time of each."
)
@click.pass_obj
def tail(
    context: CliContext,
    event_type: str | None,
    stage: str | None,
    from_start: bool,
    no_follow: bool,
    as_json: bool,
) -> None:
    """Print the events of TYPE as JSON lines, as they come in.

    Each line is the data of an event. With --dead, the dead letters of a stage and why they died
    are printed. Only committed events are shown.
    """
    from farandole.operations.events.read_records import ReadRequest

    if (event_type is None) == (stage is None):
        raise click.UsageError("name either an event TYPE or a stage with --dead STAGE")
    request = ReadRequest(event_type, stage, from_start or no_follow, not no_follow)
    context.configure_logs()
    context.run(lambda installation: _print_records(installation, request, as_json))


async def _print_records(installation: Installation, request: ReadRequest, full: bool) -> None:
    from farandole.operations.events.read_records import read_records

    async with aclosing(read_records(installation, request)) as batches:
        async for results in batches:
            if full:
                print_byte_lines(_dump_json(result.to_data()) for result in results)
            elif request.dead_stage is not None:
                print_byte_lines(_dump_json(result.failure_data()) for result in results)
            else:
                print_byte_lines(result.value_line() for result in results)


def _dump_json(data: Any) -> bytes:
    import orjson

    return orjson.dumps(data, option=orjson.OPT_UTC_Z)
