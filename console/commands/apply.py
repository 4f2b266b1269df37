"""How is the folder's topology file put in force?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, run, who

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.router.plan import Plan
    from farandole.router.publish import Applied

DANGERS = ("unread", "keys", "schema")

allow_option = click.option(
    "--allow",
    "allowed",
    type=click.Choice(DANGERS),
    multiple=True,
    help="Do what is dangerous: let go of what is unread, move keys to other partitions, publish "
    "a schema that does not fit what is unread.",
)


@click.command()
@click.argument("plan", type=click.Path(dir_okay=False, path_type=Path), required=False)
@allow_option
@json_option
@click.pass_obj
def apply(here: Here, plan: Path | None, allowed: tuple[str, ...], as_json: bool) -> None:
    """Publish topology.yaml as its pipeline's next version, and create the topics it needs.

    With PLAN, do exactly what `farandole plan --out PLAN` has shown, or nothing if the state of
    things has moved since. Changes nothing if the newest version says the same already.
    """
    here.logs()
    run(_apply(here, plan, allowed, as_json))


async def _apply(here: Here, file: Path | None, allowed: tuple[str, ...], as_json: bool) -> None:
    from farandole.router.facts import planned

    if file is None:
        derived = here.derived()
        settings = await here.reached()
        plan = await planned(settings, derived)
    else:
        saved = _saved(file)
        settings = await here.reached()
        # What is unread may be more by now: it is judged anew, for the state that was planned for.
        now = await planned(settings, saved.derived, saved.rollback_of)
        plan = replace(saved, changes=now.changes)
    await carried_out(settings, plan, allowed, as_json)


async def carried_out(
    settings: Settings, plan: Plan, allowed: tuple[str, ...], as_json: bool
) -> None:
    """Do it, and say what was done."""
    from farandole.router.enact import NotAllowed, enact
    from farandole.router.plan import rows

    try:
        applied = await enact(settings, plan, who(), allowed)
    except NotAllowed as refusal:
        raise Failed(
            *[line.strip() for line in rows(refusal.refused)],
            f"farandole: nothing was applied; if that is meant, add {refusal.options}",
        ) from None
    if as_json:
        say_json(
            {
                "version": applied.version.name,
                "changed": applied.changed,
                "created_topics": applied.created_topics,
                "configured_topics": applied.configured_topics,
            }
        )
        return
    for line in told(applied):
        say(line)


def told(applied: Applied) -> list[str]:
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


def _saved(file: Path) -> Plan:
    from farandole.router.plan import load

    try:
        return load(file.read_bytes())
    except OSError as error:
        raise Failed(f"farandole: {file} cannot be read ({error.strerror})") from None
    except ValueError:
        raise Failed(
            f"farandole: {file} is no plan of this version of Farandole; make one: "
            "farandole plan --out plan.json"
        ) from None
