"""How does a person hold a stage, or a whole pipeline?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from farandole.console import names
from farandole.console.commands.mute import Duration
from farandole.console.output import say
from farandole.console.wiring import Here, known, run, who


@click.command()
@click.argument("stage", metavar="STAGE", required=False, shell_complete=names.stages)
@click.option("--all", "every", is_flag=True, help="Every stage of the pipeline.")
@click.option("--for", "length", type=Duration(), metavar="2h", help="For so long.")
@click.option("--by", metavar="WHO", help="Who wishes it.  [default: you, on this machine]")
@click.pass_obj
def pause(
    here: Here, stage: str | None, every: bool, length: timedelta | None, by: str | None
) -> None:
    """Let STAGE take no event, until it is resumed. Its workers stay, and it keeps its place.

    Events wait as long as their topics keep them.
    """
    one_or_all(stage, every)
    here.logs()
    run(_pause(here, stage, length, by or who()))


def one_or_all(stage: str | None, every: bool) -> None:
    """Raises UsageError where a person says neither, or both."""
    if (stage is None) is not every:
        raise click.UsageError("say either which STAGE, or --all")


async def _pause(here: Here, stage: str | None, length: timedelta | None, by: str) -> None:
    from farandole.console.control import publish
    from farandole.events.control import Pause
    from farandole.notifier.words import exactly
    from farandole.worker.live import live
    from farandole.worker.versions import published

    settings = await here.reached()
    pipeline = await here.pipeline(settings)
    stages = live(await published(settings, pipeline))
    if stage is not None:
        known(stage, stages, "stage")
    until = datetime.now(UTC) + length if length is not None else None
    await publish(settings, Pause(pipeline=pipeline, stage=stage or "", until=until, by=by))
    said = f" until {exactly(until)}" if until else ""
    say(f"{stage or pipeline}: paused{said}")
