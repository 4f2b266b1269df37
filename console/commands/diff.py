"""What is different between two versions, or between one and the file?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farandole.console.commands.rollback import of
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farandole.broker.settings import Settings
    from farandole.events.topology import Version
    from farandole.router.graph import Wired

FILE = "file"


class _Side(click.ParamType):
    name = "version"

    def convert(self, value: object, param: object, ctx: object) -> int | str:
        if isinstance(value, int) or value == FILE:
            return value
        number = str(value).rpartition("@")[2]
        if not number.isdigit():
            self.fail(f"{value!r} is no version; write a number, or `{FILE}` for the file")
        return int(number)


@click.command()
@click.argument("a", type=_Side())
@click.argument("b", type=_Side(), default=FILE)
@json_option
@click.pass_obj
def diff(here: Here, a: int | str, b: int | str, as_json: bool) -> None:
    """Show what changes from version A to version B; `file` is the file as saved.

    The lines are those of `farandole plan`.
    """
    here.logs()
    run(_diff(here, a, b, as_json))


async def _diff(here: Here, a: int | str, b: int | str, as_json: bool) -> None:
    from farandole.router.plan import changes, rows, total
    from farandole.router.table import versions

    settings = await here.reached()
    pipeline = await here.pipeline(settings)
    history = await versions(settings, pipeline)
    before, after = [await _side(here, settings, pipeline, history, side) for side in (a, b)]
    found = changes(before, after)
    if as_json:
        say_json(found)
        return
    said = " → ".join(side if isinstance(side, str) else f"{pipeline}@{side}" for side in (a, b))
    if not found:
        say(f"{said}: no difference")
        return
    say(said)
    for line in [*rows(found), total(found)]:
        say(line)


async def _side(
    here: Here, settings: Settings, pipeline: str, history: Sequence[Version], side: int | str
) -> Wired:
    from farandole.broker.admin import Admin
    from farandole.router.place import placed

    if isinstance(side, int):
        return of(history, pipeline, side)
    async with Admin.open(settings) as admin:
        return placed(here.derived(), history, await admin.topics(), settings.names)
