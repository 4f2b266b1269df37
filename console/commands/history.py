"""Which versions has a pipeline had: when, by whom, and what did each change?"""

from __future__ import annotations

import click

from farandole.console.failing import Failed
from farandole.console.output import columns, json_option, say, say_json
from farandole.console.wiring import Here, run


@click.command()
@json_option
@click.pass_obj
def history(here: Here, as_json: bool) -> None:
    """List the pipeline's versions, oldest first, and what each of them changed."""
    here.logs()
    run(_history(here, as_json))


async def _history(here: Here, as_json: bool) -> None:
    from farandole.router.plan import changes, summary
    from farandole.router.table import versions

    settings = await here.reached()
    pipeline = await here.pipeline(settings)
    found = await versions(settings, pipeline)
    if not found:
        raise Failed(
            f"farandole: no version of {pipeline} was ever applied to {settings.bootstrap}; "
            "run: farandole apply"
        )
    steps = [
        (version, changes(before, version))
        for before, version in zip([None, *found], found, strict=False)
    ]
    if as_json:
        say_json(
            [
                {
                    "version": version.name,
                    "published": version.published,
                    "published_by": version.published_by,
                    "rollback_of": version.rollback_of,
                    "retired": version.retired,
                    "changes": changed,
                }
                for version, changed in steps
            ]
        )
        return
    rows = [("version", "published (UTC)", "by", "changes")]
    for version, changed in steps:
        said = summary(changed)
        if version.retired:
            said = f"{said} (retired {version.retired:%Y-%m-%d %H:%M})"
        if version.rollback_of:
            said = f"back to @{version.rollback_of}: {said}"
        when = f"{version.published:%Y-%m-%d %H:%M:%S}"
        rows.append((version.name, when, version.published_by, said))
    for line in columns(rows, left=4):
        say(line)
