"""What does an editor need to know about topology files?"""

from __future__ import annotations

import click

from farandole.console.output import say_json


@click.command()
def schema() -> None:
    """Print the JSON Schema of topology.yaml, for editors. Needs no broker."""
    from farandole.router import editor

    say_json(editor.schema())
