"""Of which failures does nobody want to hear for a while?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from farandole.console import names
from farandole.console.output import say
from farandole.console.wiring import Here, known, run, who

_LONGEST = timedelta(days=3650)


class Duration(click.ParamType):
    """`30m`, `2h`, `1d`, as in a topology file."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        from pydantic_core import PydanticCustomError

        from farandole.router.form import longer_than_nothing

        try:
            seconds = longer_than_nothing(value)
        except PydanticCustomError as error:
            self.fail(f"{error.message()}; {(error.context or {})['remedy']}", param, ctx)
        if seconds > _LONGEST.total_seconds():
            self.fail(f"{value!r} is too long; at most {_LONGEST.days}d", param, ctx)
        return timedelta(seconds=seconds)


@click.command()
@click.argument("target", metavar="ID|STAGE", shell_complete=names.stages)
@click.option("--for", "length", type=Duration(), metavar="2h", help="For so long.")
@click.option("--off", is_flag=True, help="Hear of it again.")
@click.pass_obj
def mute(here: Here, target: str, length: timedelta | None, off: bool) -> None:
    """Send nothing about an incident, or about a whole stage, for a while.

    Failures are counted all the same; what has grown meanwhile is told afterwards.
    """
    if (length is None) is not off:
        raise click.UsageError("say either --for how long, or --off")
    here.logs()
    run(_mute(here, target, length))


async def _mute(here: Here, target: str, length: timedelta | None) -> None:
    from farandole.broker.tables import read_table
    from farandole.console.control import publish
    from farandole.events.control import Mute
    from farandole.notifier import rows
    from farandole.notifier.words import exactly

    settings = await here.reached()
    now = datetime.now(UTC)
    until = now + (length or timedelta())
    found = rows.incidents(await read_table(settings, settings.names.incidents))
    if any(incident.id == target for incident in found):
        wish = Mute(incident=target, until=until, by=who())
    else:
        version = await here.version(settings)
        stage = known(target, version.stages, "stage or incident")
        wish = Mute(pipeline=version.pipeline, stage=stage, until=until, by=who())
    await publish(settings, wish)
    said = f"muted until {exactly(until)}" if length else "muted no more"
    say(f"{target}: {said}")
