"""What would applying the file change?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError

if TYPE_CHECKING:
    from farandole.router.change_plan import ChangePlan


@click.command()
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan for: farandole apply FILE",
)
@json_option
@click.pass_obj
def plan(context: CliContext, out: Path | None, as_json: bool) -> None:
    """Show what `apply` would change against what is in force; changes nothing.

    A line begins with + for what is new, ~ for what changes, - for what goes away, and ! for what
    is dangerous: `apply` refuses that without the option that the line names.
    """
    context.configure_logs()
    run_async(_plan(context, out, as_json))


async def _plan(context: CliContext, out: Path | None, as_json: bool) -> None:
    from farandole.router.change_plan import dump_plan
    from farandole.router.cluster_snapshot import plan_changes
    from farandole.router.reason_text import plan_lines

    if out is not None:
        _refuse_overwrite(out)
    derived = context.derive_topology()
    found = await plan_changes(await context.connect(), derived)
    if out is not None:
        _save_plan(out, dump_plan(found))
    if as_json:
        print_json(plan_data(found))
        return
    for line in plan_lines(found):
        print_line(line)
    if out is not None:
        print_line(
            f"saved; do exactly this with: {context.command_line('apply', shlex.quote(str(out)))}"
        )


def _refuse_overwrite(out: Path) -> None:
    """A plan may replace a plan, and nothing else. Raises CommandError."""
    from farandole.router.change_plan import load_plan

    try:
        raw = out.read_bytes() if out.is_file() else b""
        if raw:
            load_plan(raw)
    except OSError as error:
        raise CommandError(f"farandole: {out} cannot be read ({error.strerror})") from None
    except ValueError:
        raise CommandError(
            f"farandole: {out} exists and is no plan, so it was not overwritten; choose another "
            "name: farandole plan --out plan.json"
        ) from None


def _save_plan(out: Path, raw: bytes) -> None:
    try:
        out.write_bytes(raw)
    except OSError as error:
        raise CommandError(f"farandole: {out} cannot be written ({error.strerror})") from None


def plan_data(plan: ChangePlan) -> dict[str, Any]:
    """A plan as JSON data."""
    return {
        "pipeline": plan.derived.pipeline,
        "newest": plan.newest,
        "next": (plan.newest or 0) + 1 if plan.publishes else None,
        "rollback_of": plan.rollback_of,
        "changes": list(plan.changes),
        "dangers": list(plan.dangers),
    }
