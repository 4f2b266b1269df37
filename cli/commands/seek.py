"""How is the offset of a stage set?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import OffsetParameter

if TYPE_CHECKING:
    from farandole.operations.control.seek import MovedOffset


@click.command()
@click.argument("stage", shell_complete=shell_completion.complete_stages)
@click.option("--to", required=True, type=OffsetParameter(), metavar="earliest|latest|OFFSET")
@click.option("--partition", type=click.IntRange(min=0), metavar="N", help="This one, lost or not.")
@click.option("--event", "event_type", metavar="TYPE",
              shell_complete=shell_completion.complete_event_types,
              help="This input alone, of a stage with several.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Every partition, lost or not.")
@json_option
@click.pass_obj
def seek(
    context: CliContext,
    stage: str,
    to: Any,
    partition: int | None,
    event_type: str | None,
    every: bool,
    as_json: bool,
) -> None:
    """Set the offset at which STAGE continues after it was lost.

    The workers of the stage may run: they continue at the new offset by themselves. With
    --partition or --all, an offset that is not lost is moved too, if the stage's workers are
    stopped. After a move back, events are handled again (their results keep their ids); events that
    are skipped by a move forward are never handled.
    """
    from farandole.operations.control.seek import SeekRequest
    from farandole.operations.control.seek import seek as move_offsets

    if every and partition is not None:
        raise click.UsageError("--all and --partition exclude each other")
    context.configure_logs()
    request = SeekRequest(stage, to, partition, event_type, every)
    moved = context.run(lambda installation: move_offsets(installation, request))
    if as_json:
        print_json([offset.to_data() for offset in moved])
        return
    for offset in moved:
        place = f"{offset.event}/{offset.partition}"
        print_line(f"{stage} goes on in {place} at {offset.to}{_move_text(offset)}")


def _move_text(offset: MovedOffset) -> str:
    """Return how far the offset moved; an empty text if there was no offset before."""
    if offset.before is None:
        return ""
    by = offset.to - offset.before
    if by == 0:
        return ", where it was"
    return f" (was {offset.before}: {abs(by)} offsets {'skipped' if by > 0 else 'again'})"
