"""Of which failures does nobody want to hear for a while?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext, current_user, require_known, run_async
from farandole.cli.output import print_line

_MAX_DURATION = timedelta(days=3650)


class DurationParameter(click.ParamType):
    """`30m`, `2h`, `1d`, as in a topology file."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        from pydantic_core import PydanticCustomError

        from farandole.router.file_values import parse_positive_duration

        try:
            seconds = parse_positive_duration(value)
        except PydanticCustomError as error:
            self.fail(f"{error.message()}; {(error.context or {})['remedy']}", param, ctx)
        if seconds > _MAX_DURATION.total_seconds():
            self.fail(f"{value!r} is too long; at most {_MAX_DURATION.days}d", param, ctx)
        return timedelta(seconds=seconds)


@click.command()
@click.argument("target", metavar="ID|STAGE", shell_complete=shell_completion.complete_stages)
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option("--off", is_flag=True, help="Hear of it again.")
@click.pass_obj
def mute(here: CliContext, target: str, length: timedelta | None, off: bool) -> None:
    """Send nothing about an incident, or about a whole stage, for a while.

    Failures are counted all the same; what has grown meanwhile is told afterwards.
    """
    if (length is None) is not off:
        raise click.UsageError("say either --for how long, or --off")
    here.logs()
    run_async(_mute(here, target, length))


async def _mute(here: CliContext, target: str, length: timedelta | None) -> None:
    from farandole.broker.topic_reader import read_table
    from farandole.events.control_documents import MuteDocument
    from farandole.notifier import notifier_tables
    from farandole.notifier.text_format import utc_timestamp
    from farandole.operations.control.control_publisher import publish_control

    settings = await here.reached()
    now = datetime.now(UTC)
    until = now + (length or timedelta())
    found = notifier_tables.read_incidents(
        await read_table(settings, settings.names.incidents_topic)
    )
    if any(incident.id == target for incident in found):
        wish = MuteDocument(incident=target, until=until, by=current_user())
    else:
        version = await here.version(settings)
        stage = require_known(target, version.stages, "stage or incident")
        wish = MuteDocument(pipeline=version.pipeline, stage=stage, until=until, by=current_user())
    await publish_control(settings, wish)
    said = f"muted until {utc_timestamp(until)}" if length else "muted no more"
    print_line(f"{target}: {said}")
