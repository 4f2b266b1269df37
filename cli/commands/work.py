"""How are workers run for the version that is in force?"""

from __future__ import annotations

import sys

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.services.async_runner import run_async


@click.command()
@click.argument(
    "stages", nargs=-1, metavar="[STAGE]...", shell_complete=shell_completion.complete_stages
)
@click.option("--processes", type=click.IntRange(1, 64), metavar="N", help="Of each stage.")
@click.option("--together", is_flag=True, help="One process hosts all of the stages.")
@click.pass_obj
def work(
    context: CliContext, stages: tuple[str, ...], processes: int | None, together: bool
) -> None:
    """Run the workers of some stages (default: all) until Ctrl-C.

    Any number of these may run, on any number of machines: they share the work.
    """
    level = context.configure_logs("info")
    run_async(_run_workers(context, stages, processes, together, level))


async def _run_workers(
    context: CliContext, stages: tuple[str, ...], processes: int | None, together: bool, level: str
) -> None:
    from farandole.catalog.active_stages import active_stages, hosted_stages
    from farandole.catalog.published_versions import VersionsByNumber, follow_versions
    from farandole.operations.names import require_known
    from farandole.services.pipeline_supervision import supervise_until_stopped
    from farandole.services.supervisor import ServiceSpec
    from farandole.services.worker_services import worker_services

    settings = await context.connect()

    def wanted_services(versions: VersionsByNumber) -> list[ServiceSpec]:
        return worker_services(
            settings,
            context.folder,
            versions,
            stages=stages,
            processes=processes,
            together=together,
            pretty=sys.stderr.isatty(),
            log_level=level,
        )

    pipeline = await context.pipeline(settings)
    async with follow_versions(settings, pipeline) as published:
        for stage in stages:
            require_known(stage, active_stages(published.versions), "stage")
            require_known(stage, hosted_stages(published.versions), "stage that workers host")
        newest = published.versions[max(published.versions)]
        hosted = ", ".join(stages) or "all stages"
        await supervise_until_stopped(
            settings,
            published,
            wanted_services,
            lambda: click.echo(
                f"{newest.name}: {hosted} at work on {settings.bootstrap}", err=True
            ),
            pipeline=pipeline,
            folder=context.folder,
            announce_metrics=lambda url: click.echo(f"metrics are at {url}", err=True),
        )
