"""Which options and arguments do several commands share?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli import shell_completion

DANGERS = ("unread", "keys", "schema")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

by_option = click.option(
    "--by", metavar="WHO", help="Who asks for it.  [default: you, on this machine]"
)

comment_option = click.option(
    "--comment", metavar="TEXT", default="", help="Why, for whoever sees it."
)

allow_option = click.option(
    "--allow",
    "allowed",
    type=click.Choice(DANGERS),
    multiple=True,
    help="Permit a dangerous change: unread events are given up, keys move to other partitions, "
    "or a schema does not fit unread events.",
)

file_argument = click.argument(
    "file", type=click.Path(dir_okay=False, path_type=Path), required=False
)

optional_stage_argument = click.argument(
    "stage", metavar="STAGE", required=False, shell_complete=shell_completion.complete_stages
)

every_stage_option = click.option(
    "--all", "every", is_flag=True, help="Every stage of the pipeline."
)


def require_stage_or_all(stage: str | None, every: bool) -> None:
    """Raise UsageError unless exactly one of STAGE and --all is given."""
    if (stage is None) is not every:
        raise click.UsageError("say either which STAGE, or --all")
