"""Which versions has a pipeline had: when, by whom, and what did each change?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.cli.rendering.tables import format_columns


@click.command()
@json_option
@click.pass_obj
def history(context: CliContext, as_json: bool) -> None:
    """List the pipeline's versions, oldest first, and what each of them changed."""
    context.configure_logs()
    run_async(_history(context, as_json))


async def _history(context: CliContext, as_json: bool) -> None:
    from farandole.router.reason_text import change_summary
    from farandole.router.topology_diff import diff_topologies
    from farandole.router.topology_store import published_versions_of

    settings = await context.connect()
    pipeline = await context.pipeline(settings)
    found = await published_versions_of(settings, pipeline)
    if not found:
        raise CommandError(
            f"farandole: no version of {pipeline} was ever applied to {settings.bootstrap}; "
            "run: farandole apply"
        )
    steps = [
        (version, diff_topologies(before, version))
        for before, version in zip([None, *found], found, strict=False)
    ]
    if as_json:
        print_json(
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
        said = change_summary(changed)
        if version.retired:
            said = f"{said} (retired {version.retired:%Y-%m-%d %H:%M})"
        if version.rollback_of:
            said = f"back to @{version.rollback_of}: {said}"
        when = f"{version.published:%Y-%m-%d %H:%M:%S}"
        rows.append((version.name, when, version.published_by, said))
    for line in format_columns(rows, left=4):
        print_line(line)
