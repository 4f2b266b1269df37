"""How does a pipeline go back to an earlier version?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farandole.cli.commands.apply import enact_plan
from farandole.cli.context import CliContext, run_async
from farandole.cli.options import allow_option, json_option
from farandole.cli.rendering.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version


@click.command()
@click.argument("version", type=click.IntRange(min=1), required=False)
@allow_option
@json_option
@click.pass_obj
def rollback(
    context: CliContext, version: int | None, allowed: tuple[str, ...], as_json: bool
) -> None:
    """Publish what VERSION said as the next version; by default the one before the newest.

    The topology file stays as it is: `farandole route` waits for it to be saved, `farandole apply`
    would apply it. For how long topics keep what they hold is no part of a version, and stays.
    """
    context.configure_logs()
    run_async(_rollback(context, version, allowed, as_json))


async def _rollback(
    context: CliContext, number: int | None, allowed: tuple[str, ...], as_json: bool
) -> None:
    from farandole.router.cluster_snapshot import plan_changes
    from farandole.router.topology_derivation import derive_from_version
    from farandole.router.topology_store import published_versions_of

    settings = await context.connect()
    pipeline = await context.pipeline(settings)
    history = await published_versions_of(settings, pipeline)
    target = (
        history[-2]
        if number is None and len(history) > 1
        else find_version(history, pipeline, number)
    )
    _require_importable(context, target)
    plan = await plan_changes(settings, derive_from_version(target, settings.names), target.version)
    await enact_plan(settings, plan, allowed, as_json)
    if await _file_differs(context, settings, target):
        click.echo(
            f"{context.file} says something else, and its next save applies that again", err=True
        )


async def _file_differs(context: CliContext, settings: Settings, target: Version) -> bool:
    """Does the file say something else than what is in force now? One that is not there says
    nothing; one with mistakes will say something else once they are mended."""
    from farandole.router.change_plan import same_content
    from farandole.router.cluster_snapshot import take_snapshot
    from farandole.router.topology_derivation import derive_topology

    if not context.file.is_file():
        return False
    checked = context.check_topology()
    if not checked.fit or checked.form is None:
        return True
    derived = derive_topology(checked.form, checked.signatures, settings.names)
    _, placed = await take_snapshot(settings, derived)
    return not same_content(target, placed)


def find_version(history: Sequence[Version], pipeline: str, number: int | None) -> Version:
    """The version with that number. Raises CommandError."""
    found = next((v for v in history if v.version == number), None)
    if found is not None:
        return found
    if number is None or not history:
        raise CommandError(f"farandole: {pipeline} has no earlier version; see: farandole history")
    raise CommandError(
        f"farandole: {pipeline} has the versions {history[0].version} to {history[-1].version}, "
        f"not {number}; see: farandole history"
    )


def _require_importable(context: CliContext, version: Version) -> None:
    from farandole.stages.function_loader import (
        FunctionNotFoundError,
        add_to_import_path,
        load_function,
    )

    add_to_import_path(context.folder)
    lines = []
    for name, stage in version.stages.items():
        try:
            load_function(stage.run)
        except FunctionNotFoundError as error:
            lines.append(f"farandole: stage {name} of {version.name} cannot be hosted: {error}")
    if lines:
        raise CommandError(*lines, "farandole: nothing was applied; bring that code back first")
