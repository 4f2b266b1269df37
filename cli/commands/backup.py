"""How is what only this installation knows saved?"""

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
def backup(context: CliContext, file: Path, as_json: bool) -> None:
    """Save what Kafka holds, apart from events, in FILE.

    That is versions, runs, incidents, dead letters, waiting events and offsets. Lanes of the
    bookkeeper and the notifier pause for a moment. Stop the workers first if events and backup must
    agree to the event.
    """
    from farandole.operations.backup.backup import BackupRequest, back_up

    context.configure_logs()
    result = context.run(lambda installation: back_up(installation, BackupRequest(file)))
    if as_json:
        print_json(result.to_data())
        return
    print_line(
        f"{result.file}: {', '.join(result.pipelines) or 'no pipeline'}, "
        f"{count_text(result.records, 'record')}, {count_text(result.offsets, 'offset')}"
    )
    if result.working:
        click.echo(
            f"{count_text(len(result.working), 'group')} had members: what they have done "
            "meanwhile is in one part of the backup and not in another",
            err=True,
        )
