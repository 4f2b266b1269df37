"""How is the JSON Schema of topology files printed?"""

from __future__ import annotations

import click

from farandole.cli.output import print_json


@click.command()
def schema() -> None:
    """Print the JSON Schema of topology.yaml, for editors.

    No broker is needed.
    """
    from farandole.router import editor_schema

    print_json(editor_schema.topology_json_schema())
