"""How is the graph of a topology file printed?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli.context import CliContext
from farandole.cli.options import file_argument, json_option
from farandole.cli.output import print_json, print_line


@click.command()
@file_argument
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart, as GitHub draws them.")
@click.option("--dot", is_flag=True, help="A graph for Graphviz's `dot`.")
@json_option
@click.pass_obj
def graph(context: CliContext, file: Path | None, mermaid: bool, dot: bool, as_json: bool) -> None:
    """Draw a topology file as a tree.

    FILE is by default the folder's topology.yaml. No broker is needed.
    """
    from farandole.router.topology_graph import draw_dot, draw_mermaid, draw_tree, graph_data

    if mermaid + dot + as_json > 1:
        raise click.UsageError("--mermaid, --dot and --json exclude each other")
    derived = context.derive_topology(file)
    if as_json:
        print_json(graph_data(derived))
    else:
        draw = draw_mermaid if mermaid else draw_dot if dot else draw_tree
        print_line(draw(derived))
