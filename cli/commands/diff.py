"""What is different between two versions, or between one and the file?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farandole.cli.commands.rollback import find_version
from farandole.cli.context import CliContext, run_async
from farandole.cli.output import json_option, print_json, print_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version
    from farandole.router.topology_graph import TopologyView

FILE_SIDE = "file"


class _VersionParameter(click.ParamType):
    name = "version"

    def convert(self, value: object, param: object, ctx: object) -> int | str:
        if isinstance(value, int) or value == FILE_SIDE:
            return value
        number = str(value).rpartition("@")[2]
        if not number.isdigit():
            self.fail(f"{value!r} is no version; write a number, or `{FILE_SIDE}` for the file")
        return int(number)


@click.command()
@click.argument("a", type=_VersionParameter())
@click.argument("b", type=_VersionParameter(), default=FILE_SIDE)
@json_option
@click.pass_obj
def diff(here: CliContext, a: int | str, b: int | str, as_json: bool) -> None:
    """Show what changes from version A to version B; `file` is the file as saved.

    The lines are those of `farandole plan`.
    """
    here.logs()
    run_async(_diff(here, a, b, as_json))


async def _diff(here: CliContext, a: int | str, b: int | str, as_json: bool) -> None:
    from farandole.router.reason_text import change_lines, change_totals
    from farandole.router.topology_diff import diff_topologies
    from farandole.router.topology_store import published_versions_of

    settings = await here.reached()
    pipeline = await here.pipeline(settings)
    history = await published_versions_of(settings, pipeline)
    before, after = [
        await _resolve_side(here, settings, pipeline, history, side) for side in (a, b)
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
    here: CliContext, settings: Settings, pipeline: str, history: Sequence[Version], side: int | str
) -> TopologyView:
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.router.topic_resolution import resolve_topics

    if isinstance(side, int):
        return find_version(history, pipeline, side)
    async with ClusterAdmin.open(settings) as admin:
        return resolve_topics(here.derived(), history, await admin.topics(), settings.names)
