"""What are the causes and effects of an event?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.progress import ProgressLine


@click.command()
@click.argument("event")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True,
              help="Causes that are shown, and effects.")  # fmt: skip
@click.option("--within", type=click.FloatRange(0, min_open=True), default=60.0,
              show_default=True, metavar="SECONDS", help="Look for them no longer.")  # fmt: skip
@json_option
@click.pass_obj
def trace(context: CliContext, event: str, limit: int, within: float, as_json: bool) -> None:
    """Show the causes of EVENT, up to the root, and its effects.

    EVENT is an id, such as `line.ingested/3/10482/0`, or a position: an event type or topic with
    partition and offset, such as `line.ingested/3/10482`. The position of each cause is part of the
    id of its effect; what a batch has caused has all events of the batch as causes. Effects are
    searched for in the topics of the subscribing stages, from the time of the event on.
    """
    from farandole.cli.rendering.trace_view import trace_lines
    from farandole.ledger.event_trace import parse_trace_target
    from farandole.operations.events.trace import TraceRequest, trace_event

    try:
        target = parse_trace_target(event)
    except ValueError:
        raise click.UsageError(
            f"{event!r} is neither an id (line.ingested/3/10482/0) nor a place (TYPE/3/10482)"
        ) from None
    request = TraceRequest(target, limit, within)
    context.configure_logs()
    with ProgressLine() as progress:
        result = context.run(
            lambda installation: trace_event(
                installation, request, lambda topics: progress.say(f"reading {', '.join(topics)}")
            )
        )
    if as_json:
        print_json(result.to_data())
        return
    for line in trace_lines(result):
        print_line(line)
