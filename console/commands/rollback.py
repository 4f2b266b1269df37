"""How does a pipeline go back to an earlier version?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farandole.console.commands.apply import allow_option, carried_out
from farandole.console.failing import Failed
from farandole.console.output import json_option
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farandole.broker.settings import Settings
    from farandole.events.topology import Version


@click.command()
@click.argument("version", type=click.IntRange(min=1), required=False)
@allow_option
@json_option
@click.pass_obj
def rollback(here: Here, version: int | None, allowed: tuple[str, ...], as_json: bool) -> None:
    """Publish what VERSION said as the next version; by default the one before the newest.

    The topology file stays as it is: `farandole route` waits for it to be saved, `farandole apply`
    would apply it. For how long topics keep what they hold is no part of a version, and stays.
    """
    here.logs()
    run(_rollback(here, version, allowed, as_json))


async def _rollback(
    here: Here, number: int | None, allowed: tuple[str, ...], as_json: bool
) -> None:
    from farandole.router.derive import restored
    from farandole.router.facts import planned
    from farandole.router.table import versions

    settings = await here.reached()
    pipeline = await here.pipeline(settings)
    history = await versions(settings, pipeline)
    target = history[-2] if number is None and len(history) > 1 else of(history, pipeline, number)
    _importable(here, target)
    plan = await planned(settings, restored(target, settings.names), target.version)
    await carried_out(settings, plan, allowed, as_json)
    if await _differs(here, settings, target):
        click.echo(
            f"{here.file} says something else, and its next save applies that again", err=True
        )


async def _differs(here: Here, settings: Settings, target: Version) -> bool:
    """Does the file say something else than what is in force now? One that is not there says
    nothing; one with mistakes will say something else once they are mended."""
    from farandole.router.derive import derive
    from farandole.router.facts import gathered
    from farandole.router.plan import says

    if not here.file.is_file():
        return False
    checked = here.checked()
    if not checked.fit or checked.form is None:
        return True
    derived = derive(checked.form, checked.signatures, settings.names)
    _, placed = await gathered(settings, derived)
    return not says(target, placed)


def of(history: Sequence[Version], pipeline: str, number: int | None) -> Version:
    """The version with that number. Raises Failed."""
    found = next((v for v in history if v.version == number), None)
    if found is not None:
        return found
    if number is None or not history:
        raise Failed(f"farandole: {pipeline} has no earlier version; see: farandole history")
    raise Failed(
        f"farandole: {pipeline} has the versions {history[0].version} to {history[-1].version}, "
        f"not {number}; see: farandole history"
    )


def _importable(here: Here, version: Version) -> None:
    from farandole.stages.loading import NotFound, load, on_path

    on_path(here.folder)
    lines = []
    for name, stage in version.stages.items():
        try:
            load(stage.run)
        except NotFound as error:
            lines.append(f"farandole: stage {name} of {version.name} cannot be hosted: {error}")
    if lines:
        raise Failed(*lines, "farandole: nothing was applied; bring that code back first")
