"""Who has done what to the installation, when and from where?"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import MomentParameter

if TYPE_CHECKING:
    from farandole.events.action_record import ActionOutcome


@click.command()
@click.option("--who", metavar="NAME", default="", help="Of whose name this is a part.")
@click.option(
    "--what",
    metavar="WORDS",
    default="",
    help="pause, apply, dead replay, … or how it begins.",
    shell_complete=shell_completion.complete_actions,
)
@click.option("--target", metavar="NAME", default="", help="The stage, run, schedule, … of it.")
@click.option(
    "--pipeline",
    metavar="NAME",
    default="",
    help="Of this pipeline alone.",
    shell_complete=shell_completion.complete_pipelines,
)
@click.option("--result", type=click.Choice(["ok", "refused", "failed"]), help="How it ended.")
@click.option(
    "--since", type=MomentParameter(), metavar="2h", help="Done in the last 2 h, or since then."
)
@click.option("--until", type=MomentParameter(), metavar="1h", help="Done before that.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@click.pass_obj
def actions(
    context: CliContext,
    who: str,
    what: str,
    target: str,
    pipeline: str,
    result: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what people have done, the newest first.

    Each line says when, who, by the command line or the web console, what, and how it ended.
    --json adds from where, why, and what was in force before and after. Kept for 90 days. What
    somebody writes straight to a topic, with kcat, is not here. Times are UTC.
    """
    from farandole.cli.rendering.actions_table import actions_table
    from farandole.operations.actions.list_actions import ActionsRequest, list_actions

    request = ActionsRequest(
        who=who,
        what=what,
        target=target,
        pipeline=pipeline,
        result=cast("ActionOutcome | None", result),
        since=since,
        until=until,
        limit=limit,
    )
    context.configure_logs()
    found = context.run(lambda installation: list_actions(installation, request))
    if as_json:
        print_json(found.to_data()["actions"])
        return
    if found.missing:
        print_line("nothing was recorded; `farandole up`, `route` and `apply` create the topic")
        return
    if not found.actions:
        print_line("no such deed")
        return
    for line in actions_table(found.actions):
        print_line(line)
    if found.next is not None:
        print_line(f"and older ones (--limit {10 * limit})")
