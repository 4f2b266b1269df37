"""What does the pipeline of a topology file look like?"""

from __future__ import annotations

from pathlib import Path

import click

from console.lint import file_argument
from console.output import json_option, say, say_json
from console.wiring import Here


@click.command()
@file_argument
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart, as GitHub draws them.")
@json_option
@click.pass_obj
def graph(here: Here, file: Path | None, mermaid: bool, as_json: bool) -> None:
    """Draw FILE (default: the folder's topology.yaml) as a tree. Needs no broker."""
    from router import graph as drawing

    if mermaid and as_json:
        raise click.UsageError("--mermaid and --json exclude each other")
    derived = here.derived(file)
    if as_json:
        say_json(drawing.data(derived))
    else:
        say(drawing.mermaid(derived) if mermaid else drawing.tree(derived))
