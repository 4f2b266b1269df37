"""How does a person let a stage go on?"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from farandole.console import names
from farandole.console.commands.pause import one_or_all
from farandole.console.output import say
from farandole.console.wiring import Here, known, run, who


@click.command()
@click.argument("stage", metavar="STAGE", required=False, shell_complete=names.stages)
@click.option("--all", "every", is_flag=True, help="Every stage of the pipeline.")
@click.option("--by", metavar="WHO", help="Who wishes it.  [default: you, on this machine]")
@click.pass_obj
def resume(here: Here, stage: str | None, every: bool, by: str | None) -> None:
    """Let STAGE go on where it was paused, also if the whole pipeline was."""
    one_or_all(stage, every)
    here.logs()
    run(_resume(here, stage, by or who()))


async def _resume(here: Here, stage: str | None, by: str) -> None:
    from farandole.console import asked
    from farandole.console.control import publish
    from farandole.events.control import Resume
    from farandole.worker.live import live
    from farandole.worker.versions import published

    settings = await here.reached()
    pipeline = await here.pipeline(settings)
    stages = live(await published(settings, pipeline))
    meant = [known(stage, stages, "stage")] if stage is not None else [*stages]
    was = asked.pauses(await asked.asked(settings), pipeline, meant, datetime.now(UTC))
    if not was:
        say(f"{stage or pipeline}: nothing is paused")
        return
    await publish(settings, Resume(pipeline=pipeline, stage=stage or "", by=by))
    for name, said in was.items():
        say(f"{name}: goes on; it was {asked.words(asked.plain(said))}")
