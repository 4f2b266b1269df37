"""What would applying the file change?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from farandole.router.plan import Plan


@click.command()
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan for: farandole apply FILE",
)
@json_option
@click.pass_obj
def plan(here: Here, out: Path | None, as_json: bool) -> None:
    """Show what `apply` would change against what is in force; changes nothing.

    A line begins with + for what is new, ~ for what changes, - for what goes away, and ! for what
    is dangerous: `apply` refuses that without the option that the line names.
    """
    here.logs()
    run(_plan(here, out, as_json))


async def _plan(here: Here, out: Path | None, as_json: bool) -> None:
    from farandole.console.hints import farandole
    from farandole.router.facts import planned
    from farandole.router.plan import dump, lines

    if out is not None:
        _refuse_another(out)
    derived = here.derived()
    found = await planned(await here.reached(), derived)
    if out is not None:
        _save(out, dump(found))
    if as_json:
        say_json(data(found))
        return
    for line in lines(found):
        say(line)
    if out is not None:
        say(f"saved; do exactly this with: {farandole(here, 'apply', shlex.quote(str(out)))}")


def _refuse_another(out: Path) -> None:
    """A plan may replace a plan, and nothing else. Raises Failed."""
    from farandole.router.plan import load

    try:
        raw = out.read_bytes() if out.is_file() else b""
        if raw:
            load(raw)
    except OSError as error:
        raise Failed(f"farandole: {out} cannot be read ({error.strerror})") from None
    except ValueError:
        raise Failed(
            f"farandole: {out} exists and is no plan, so it was not overwritten; choose another "
            "name: farandole plan --out plan.json"
        ) from None


def _save(out: Path, raw: bytes) -> None:
    try:
        out.write_bytes(raw)
    except OSError as error:
        raise Failed(f"farandole: {out} cannot be written ({error.strerror})") from None


def data(plan: Plan) -> dict[str, Any]:
    """A plan as JSON data."""
    return {
        "pipeline": plan.derived.pipeline,
        "newest": plan.newest,
        "next": (plan.newest or 0) + 1 if plan.publishes else None,
        "rollback_of": plan.rollback_of,
        "changes": list(plan.changes),
        "dangers": list(plan.dangers),
    }
