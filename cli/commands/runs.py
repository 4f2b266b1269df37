"""Which runs were there, and how did they end?"""

from __future__ import annotations

import time

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import MomentParameter


@click.command()
@click.option(
    "--pipeline",
    metavar="NAME",
    help="Of this pipeline alone.",
    shell_complete=shell_completion.complete_pipelines,
)
@click.option("--status", metavar="WORDS", help="running, failed, … or how it begins.")
@click.option(
    "--since", type=MomentParameter(), metavar="2h", help="Opened in the last 2 h, or since then."
)
@click.option("--until", type=MomentParameter(), metavar="1h", help="Opened before that.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@click.pass_obj
def runs(
    context: CliContext,
    pipeline: str | None,
    status: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, the newest first.

    Each line says when the run was opened, how long it took, and how many events it had, how many
    of them died and how many are in flight. Times are UTC. To see one run: farandole run ID
    """
    from farandole.cli.rendering.runs_table import runs_table
    from farandole.events.run_row import RUN_STATUSES
    from farandole.operations.reason_text import reason_text
    from farandole.operations.runs.list_runs import RunsRequest, list_runs

    if status is not None and not any(s.startswith(status) for s in RUN_STATUSES):
        raise click.UsageError(
            f"no status begins with {status!r}; there are {', '.join(RUN_STATUSES)}"
        )
    request = RunsRequest(pipeline, status, since, until, limit)
    context.configure_logs()
    result = context.run(lambda installation: list_runs(installation, request))
    if as_json:
        print_json(result.to_data()["runs"])
        return
    if not result.runs:
        print_line("no such run")
        return
    for line in runs_table(result.runs, int(time.time() * 1000)):
        print_line(line)
    if result.more:
        print_line(f"and older ones (--limit {10 * limit})")
    if result.bookkeeper is not None:
        print_line(reason_text(result.bookkeeper, context.command_line))
