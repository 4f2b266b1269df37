"""What does the pipeline of a topology file look like?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.console.commands.lint import file_argument
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here


@click.command()
@file_argument
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart, as GitHub draws them.")
@click.option("--dot", is_flag=True, help="A graph for Graphviz's `dot`.")
@json_option
@click.pass_obj
def graph(here: Here, file: Path | None, mermaid: bool, dot: bool, as_json: bool) -> None:
    """Draw FILE (default: the folder's topology.yaml) as a tree. Needs no broker."""
    from farandole.router import graph as drawing

    if mermaid + dot + as_json > 1:
        raise click.UsageError("--mermaid, --dot and --json exclude each other")
    derived = here.derived(file)
    if as_json:
        say_json(drawing.data(derived))
    else:
        draw = drawing.mermaid if mermaid else drawing.dot if dot else drawing.tree
        say(draw(derived))
