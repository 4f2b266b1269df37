"""How is the folder's topology file put in force?"""

from __future__ import annotations

import click

from console.output import json_option, say, say_json
from console.wiring import Here, run, who


@click.command()
@json_option
@click.pass_obj
def apply(here: Here, as_json: bool) -> None:
    """Publish topology.yaml as its pipeline's next version, and create the topics it needs.

    Changes nothing if the newest version says the same already.
    """
    here.logs()
    run(_apply(here, as_json))


async def _apply(here: Here, as_json: bool) -> None:
    from router.publish import apply as publish

    derived = here.derived()
    applied = await publish(await here.reached(), derived, who())
    if as_json:
        say_json(
            {
                "version": applied.version.name,
                "changed": applied.changed,
                "created_topics": applied.created_topics,
            }
        )
    elif applied.changed:
        for topic in applied.created_topics:
            say(f"created {topic}")
        say(f"{applied.version.name} is in force")
    else:
        say(f"nothing changed: {applied.version.name} is in force")
