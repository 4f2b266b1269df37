"""How is the folder's topology file put in force?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import allow_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.operations.current_user import current_user

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.router.change_plan import ChangePlan
    from farandole.router.version_publisher import ApplyResult


@click.command()
@click.argument("plan", type=click.Path(dir_okay=False, path_type=Path), required=False)
@allow_option
@json_option
@click.pass_obj
def apply(context: CliContext, plan: Path | None, allowed: tuple[str, ...], as_json: bool) -> None:
    """Publish topology.yaml as its pipeline's next version, and create the topics it needs.

    With PLAN, do exactly what `farandole plan --out PLAN` has shown, or nothing if the state of
    things has moved since. Changes nothing if the newest version says the same already.
    """
    context.configure_logs()
    run_async(_apply(context, plan, allowed, as_json))


async def _apply(
    context: CliContext, file: Path | None, allowed: tuple[str, ...], as_json: bool
) -> None:
    from farandole.router.cluster_snapshot import plan_changes

    if file is None:
        derived = context.derive_topology()
        settings = await context.connect()
        plan = await plan_changes(settings, derived)
    else:
        saved = _load_plan_file(file)
        settings = await context.connect()
        # What is unread may be more by now: it is judged anew, for the state that was planned for.
        now = await plan_changes(settings, saved.derived, saved.rollback_of)
        plan = replace(saved, changes=now.changes)
    await enact_plan(settings, plan, allowed, as_json)


async def enact_plan(
    settings: Settings, plan: ChangePlan, allowed: tuple[str, ...], as_json: bool
) -> None:
    """Do it, and say what was done."""
    from farandole.router.guarded_apply import DangerNotAllowedError, apply_plan
    from farandole.router.reason_text import change_lines

    try:
        applied = await apply_plan(settings, plan, current_user(), allowed)
    except DangerNotAllowedError as refusal:
        raise CommandError(
            *[line.strip() for line in change_lines(refusal.refused)],
            f"farandole: nothing was applied; if that is meant, add {refusal.options}",
        ) from None
    if as_json:
        print_json(
            {
                "version": applied.version.name,
                "changed": applied.changed,
                "created_topics": applied.created_topics,
                "configured_topics": applied.configured_topics,
            }
        )
        return
    for line in applied_lines(applied):
        print_line(line)


def applied_lines(applied: ApplyResult) -> list[str]:
    lines = [f"created {topic}" for topic in applied.created_topics]
    lines += [f"configured {topic}" for topic in applied.configured_topics]
    if applied.changed:
        again = applied.version.rollback_of
        lines.append(f"{applied.version.name} is in force{f', again as @{again}' if again else ''}")
    elif lines:
        lines.append(f"{applied.version.name} is in force as before")
    else:
        lines.append(f"nothing changed: {applied.version.name} is in force")
    return lines


def _load_plan_file(file: Path) -> ChangePlan:
    from farandole.router.change_plan import load_plan

    try:
        return load_plan(file.read_bytes())
    except OSError as error:
        raise CommandError(f"farandole: {file} cannot be read ({error.strerror})") from None
    except ValueError:
        raise CommandError(
            f"farandole: {file} is no plan of this version of Farandole; make one: "
            "farandole plan --out plan.json"
        ) from None
