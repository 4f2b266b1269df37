"""How is a pipeline deleted?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.progress import ProgressLine
from farandole.cli.rendering.errors import CommandError

if TYPE_CHECKING:
    from farandole.operations.installation import Installation


@click.command()
@click.argument("pipeline", metavar="PIPELINE", shell_complete=shell_completion.complete_pipelines)
@click.option("--yes", "confirmed", metavar="PIPELINE", help="Its name again: do not ask.")
@json_option
@click.pass_obj
def delete(context: CliContext, pipeline: str, confirmed: str | None, as_json: bool) -> None:
    """Delete PIPELINE with all of its data on Kafka.

    That is its topics, groups, versions, runs, incidents and controls. What would go is shown
    first, and you are asked to type the name. Stop `up`, `work` and `route` of the pipeline before.
    If the command is killed, give it again: it deletes the rest. With --json one document is
    printed: `plan`, and `result`, which is null without --yes.
    """
    from farandole.cli.rendering.deletion_view import plan_lines, result_line
    from farandole.operations.deletion.delete import delete_pipeline
    from farandole.operations.deletion.deletion_plan import plan_deletion, refuse_obstacles

    if confirmed not in (None, pipeline):
        raise click.UsageError(f"--yes says {confirmed!r}, and the pipeline is {pipeline!r}")
    context.configure_logs()

    async def plan_and_delete(installation: Installation) -> None:
        plan = await plan_deletion(installation, pipeline)
        for line in () if as_json else plan_lines(plan):
            print_line(line)
        result = None
        if confirmed or not as_json:
            refuse_obstacles(plan)
            _confirm(pipeline, confirmed)
            with ProgressLine() as progress:
                result = await delete_pipeline(
                    installation, pipeline, lambda step: progress.say(f"{step}: done")
                )
        if as_json:
            done = None if result is None else result.to_data()
            print_json({"plan": plan.to_data(), "result": done})
        elif result is not None:
            print_line(result_line(result))

    context.run(plan_and_delete)


def _confirm(pipeline: str, confirmed: str | None) -> None:
    """Ask for the pipeline's name. Raises CommandError if it is not typed, or nobody can be
    asked."""
    if confirmed == pipeline:
        return
    if not sys.stdin.isatty():
        raise CommandError(
            f"farandole: nothing was deleted: nobody can be asked here; say --yes {pipeline}"
        )
    if click.prompt("type the pipeline's name to delete it", err=True) != pipeline:
        raise CommandError(f"farandole: nothing was deleted: that is not {pipeline}")
