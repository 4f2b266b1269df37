"""Of which failures does nobody want to hear for a while?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.cli.parameters import DurationParameter
from farandole.operations.current_user import current_user
from farandole.operations.names import require_known


@click.command()
@click.argument("target", metavar="ID|STAGE", shell_complete=shell_completion.complete_stages)
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option("--off", is_flag=True, help="Hear of it again.")
@click.pass_obj
def mute(context: CliContext, target: str, length: timedelta | None, off: bool) -> None:
    """Send nothing about an incident, or about a whole stage, for a while.

    Failures are counted all the same; what has grown meanwhile is told afterwards.
    """
    if (length is None) is not off:
        raise click.UsageError("say either --for how long, or --off")
    context.configure_logs()
    run_async(_mute(context, target, length))


async def _mute(context: CliContext, target: str, length: timedelta | None) -> None:
    from farandole.broker.topic_reader import read_table
    from farandole.events.control_documents import MuteDocument
    from farandole.notifier import notifier_tables
    from farandole.notifier.text_format import utc_timestamp
    from farandole.operations.control.control_publisher import publish_control

    settings = await context.connect()
    now = datetime.now(UTC)
    until = now + (length or timedelta())
    found = notifier_tables.read_incidents(
        await read_table(settings, settings.names.incidents_topic)
    )
    if any(incident.id == target for incident in found):
        wish = MuteDocument(incident=target, until=until, by=current_user())
    else:
        version = await context.newest_version(settings)
        stage = require_known(target, version.stages, "stage or incident")
        wish = MuteDocument(pipeline=version.pipeline, stage=stage, until=until, by=current_user())
    await publish_control(settings, wish)
    said = f"muted until {utc_timestamp(until)}" if length else "muted no more"
    print_line(f"{target}: {said}")
