"""How does a person hold a stage, or a whole pipeline?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from farandole.cli import shell_completion
from farandole.cli.commands.mute import DurationParameter
from farandole.cli.context import CliContext, current_user, require_known, run_async
from farandole.cli.output import print_line


@click.command()
@click.argument(
    "stage", metavar="STAGE", required=False, shell_complete=shell_completion.complete_stages
)
@click.option("--all", "every", is_flag=True, help="Every stage of the pipeline.")
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option("--by", metavar="WHO", help="Who wishes it.  [default: you, on this machine]")
@click.pass_obj
def pause(
    here: CliContext, stage: str | None, every: bool, length: timedelta | None, by: str | None
) -> None:
    """Let STAGE take no event, until it is resumed. Its workers stay, and it keeps its place.

    Events wait as long as their topics keep them.
    """
    require_stage_or_all(stage, every)
    here.logs()
    run_async(_pause(here, stage, length, by or current_user()))


def require_stage_or_all(stage: str | None, every: bool) -> None:
    """Raises UsageError where a person says neither, or both."""
    if (stage is None) is not every:
        raise click.UsageError("say either which STAGE, or --all")


async def _pause(here: CliContext, stage: str | None, length: timedelta | None, by: str) -> None:
    from farandole.catalog.active_stages import active_stages
    from farandole.catalog.published_versions import read_versions
    from farandole.events.control_documents import PauseDocument
    from farandole.notifier.text_format import utc_timestamp
    from farandole.operations.control.control_publisher import publish_control

    settings = await here.reached()
    pipeline = await here.pipeline(settings)
    stages = active_stages(await read_versions(settings, pipeline))
    if stage is not None:
        require_known(stage, stages, "stage")
    until = datetime.now(UTC) + length if length is not None else None
    await publish_control(
        settings, PauseDocument(pipeline=pipeline, stage=stage or "", until=until, by=by)
    )
    said = f" until {utc_timestamp(until)}" if until else ""
    print_line(f"{stage or pipeline}: paused{said}")
