"""What is different between two versions, or between one and the file?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farandole.cli.commands.rollback import find_version
from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import FILE_SIDE, VersionParameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version
    from farandole.router.topology_graph import TopologyView


@click.command()
@click.argument("a", type=VersionParameter())
@click.argument("b", type=VersionParameter(), default=FILE_SIDE)
@json_option
@click.pass_obj
def diff(context: CliContext, a: int | str, b: int | str, as_json: bool) -> None:
    """Show what changes from version A to version B; `file` is the file as saved.

    The lines are those of `farandole plan`.
    """
    context.configure_logs()
    run_async(_diff(context, a, b, as_json))


async def _diff(context: CliContext, a: int | str, b: int | str, as_json: bool) -> None:
    from farandole.router.reason_text import change_lines, change_totals
    from farandole.router.topology_diff import diff_topologies
    from farandole.router.topology_store import published_versions_of

    settings = await context.connect()
    pipeline = await context.pipeline(settings)
    history = await published_versions_of(settings, pipeline)
    before, after = [
        await _resolve_side(context, settings, pipeline, history, side) for side in (a, b)
    ]
    found = diff_topologies(before, after)
    if as_json:
        print_json(found)
        return
    said = " → ".join(side if isinstance(side, str) else f"{pipeline}@{side}" for side in (a, b))
    if not found:
        print_line(f"{said}: no difference")
        return
    print_line(said)
    for line in [*change_lines(found), change_totals(found)]:
        print_line(line)


async def _resolve_side(
    context: CliContext,
    settings: Settings,
    pipeline: str,
    history: Sequence[Version],
    side: int | str,
) -> TopologyView:
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.router.topic_resolution import resolve_topics

    if isinstance(side, int):
        return find_version(history, pipeline, side)
    async with ClusterAdmin.open(settings) as admin:
        return resolve_topics(
            context.derive_topology(), history, await admin.topics(), settings.names
        )
