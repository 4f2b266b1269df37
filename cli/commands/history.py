"""When and by whom was each version of a pipeline published, and what did it change?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.tables import format_columns
from farandole.events.time_format import format_timestamp


@click.command()
@json_option
@click.pass_obj
def history(context: CliContext, as_json: bool) -> None:
    """List the pipeline's versions and what each changed.

    The oldest version comes first.
    """
    from farandole.operations.topology.history import read_history
    from farandole.router.reason_text import change_summary

    context.configure_logs()
    entries = context.run(read_history)
    if as_json:
        print_json([entry.to_data() for entry in entries])
        return
    rows = [("version", "published (UTC)", "by", "changes")]
    for entry in entries:
        summary = change_summary(entry.changes)
        if entry.retired:
            summary = f"{summary} (retired {entry.retired:%Y-%m-%d %H:%M})"
        if entry.rollback_of:
            summary = f"back to @{entry.rollback_of}: {summary}"
        published = format_timestamp(entry.published)
        rows.append((entry.version, published, entry.published_by, summary))
    for line in format_columns(rows, left=4):
        print_line(line)
