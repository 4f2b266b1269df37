"""How does a person let a stage go on?"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext, run_async
from farandole.cli.options import require_stage_or_all
from farandole.cli.output import print_line
from farandole.operations.current_user import current_user
from farandole.operations.names import require_known


@click.command()
@click.argument(
    "stage", metavar="STAGE", required=False, shell_complete=shell_completion.complete_stages
)
@click.option("--all", "every", is_flag=True, help="Every stage of the pipeline.")
@click.option("--by", metavar="WHO", help="Who wishes it.  [default: you, on this machine]")
@click.pass_obj
def resume(context: CliContext, stage: str | None, every: bool, by: str | None) -> None:
    """Let STAGE go on where it was paused, also if the whole pipeline was."""
    require_stage_or_all(stage, every)
    context.configure_logs()
    run_async(_resume(context, stage, by or current_user()))


async def _resume(context: CliContext, stage: str | None, by: str) -> None:
    from farandole.catalog.active_stages import active_stages
    from farandole.catalog.published_versions import read_versions
    from farandole.events.control_documents import ResumeDocument
    from farandole.operations.control import control_query
    from farandole.operations.control.control_publisher import publish_control

    settings = await context.connect()
    pipeline = await context.pipeline(settings)
    stages = active_stages(await read_versions(settings, pipeline))
    meant = [require_known(stage, stages, "stage")] if stage is not None else [*stages]
    was = control_query.active_pauses(
        await control_query.read_control_state(settings), pipeline, meant, datetime.now(UTC)
    )
    if not was:
        print_line(f"{stage or pipeline}: nothing is paused")
        return
    await publish_control(settings, ResumeDocument(pipeline=pipeline, stage=stage or "", by=by))
    for name, said in was.items():
        print_line(
            f"{name}: goes on; it was {control_query.pause_text(control_query.pause_data(said))}"
        )
