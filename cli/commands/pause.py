"""How does a person hold a stage, or a whole pipeline?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext, run_async
from farandole.cli.options import require_stage_or_all
from farandole.cli.output import print_line
from farandole.cli.parameters import DurationParameter
from farandole.operations.current_user import current_user
from farandole.operations.names import require_known


@click.command()
@click.argument(
    "stage", metavar="STAGE", required=False, shell_complete=shell_completion.complete_stages
)
@click.option("--all", "every", is_flag=True, help="Every stage of the pipeline.")
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option("--by", metavar="WHO", help="Who wishes it.  [default: you, on this machine]")
@click.pass_obj
def pause(
    context: CliContext, stage: str | None, every: bool, length: timedelta | None, by: str | None
) -> None:
    """Let STAGE take no event, until it is resumed. Its workers stay, and it keeps its place.

    Events wait as long as their topics keep them.
    """
    require_stage_or_all(stage, every)
    context.configure_logs()
    run_async(_pause(context, stage, length, by or current_user()))


async def _pause(context: CliContext, stage: str | None, length: timedelta | None, by: str) -> None:
    from farandole.catalog.active_stages import active_stages
    from farandole.catalog.published_versions import read_versions
    from farandole.events.control_documents import PauseDocument
    from farandole.notifier.text_format import utc_timestamp
    from farandole.operations.control.control_publisher import publish_control

    settings = await context.connect()
    pipeline = await context.pipeline(settings)
    stages = active_stages(await read_versions(settings, pipeline))
    if stage is not None:
        require_known(stage, stages, "stage")
    until = datetime.now(UTC) + length if length is not None else None
    await publish_control(
        settings, PauseDocument(pipeline=pipeline, stage=stage or "", until=until, by=by)
    )
    said = f" until {utc_timestamp(until)}" if until else ""
    print_line(f"{stage or pipeline}: paused{said}")
