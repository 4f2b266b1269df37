"""How is a backup brought onto another cluster?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.counts import count_text


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def restore(context: CliContext, file: Path, as_json: bool) -> None:
    """Bring a backup onto a cluster where nothing was applied.

    Topics of events that are missing begin anew. Those that are there must hold the records of the
    backup at their offsets, as a mirror that keeps offsets does. Run `farandole apply` afterwards.
    """
    from farandole.operations.backup.restore import RestoreRequest
    from farandole.operations.backup.restore import restore as restore_backup

    context.configure_logs()
    result = context.run(lambda installation: restore_backup(installation, RestoreRequest(file)))
    if as_json:
        print_json(result.to_data())
        return
    print_line(
        f"{', '.join(result.pipelines) or 'no pipeline'} as of {result.taken}: "
        f"{count_text(result.records, 'record')}, {count_text(result.offsets, 'offset')}"
    )
    if result.fresh:
        print_line(f"begun anew, without their events: {', '.join(result.fresh)}")
    if result.kept:
        print_line(f"go on where they were: {', '.join(result.kept)}")
    print_line(f"next: {context.command_line('apply')}")
