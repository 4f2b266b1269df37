"""How are workers run for the version that is in force?"""

from __future__ import annotations

import sys

import click

from farandole.console import names
from farandole.console.wiring import Here, known, run


@click.command()
@click.argument("stages", nargs=-1, metavar="[STAGE]...", shell_complete=names.stages)
@click.option("--processes", type=click.IntRange(1, 64), metavar="N", help="Of each stage.")
@click.option("--together", is_flag=True, help="One process hosts all of the stages.")
@click.pass_obj
def work(here: Here, stages: tuple[str, ...], processes: int | None, together: bool) -> None:
    """Run the workers of some stages (default: all) until Ctrl-C.

    Any number of these may run, on any number of machines: they share the work.
    """
    level = here.logs("info")
    run(_work(here, stages, processes, together, level))


async def _work(
    here: Here, stages: tuple[str, ...], processes: int | None, together: bool, level: str
) -> None:
    from farandole.console.processes.supervising import until_stopped
    from farandole.worker.live import live
    from farandole.worker.services import services
    from farandole.worker.supervisor import Service
    from farandole.worker.versions import Versions, following

    settings = await here.reached()

    def asked(versions: Versions) -> list[Service]:
        return services(
            settings,
            here.folder,
            versions,
            stages=stages,
            processes=processes,
            together=together,
            pretty=sys.stderr.isatty(),
            log_level=level,
        )

    async with following(settings, await here.pipeline(settings)) as published:
        for stage in stages:
            known(stage, live(published.versions), "stage")
        newest = published.versions[max(published.versions)]
        said = ", ".join(stages) or "all stages"
        await until_stopped(
            published,
            asked,
            lambda: click.echo(f"{newest.name}: {said} at work on {settings.bootstrap}", err=True),
        )
