"""How is the pipeline described to those who read AsyncAPI?"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farandole.console.commands.lint import file_argument
from farandole.console.output import say, say_json
from farandole.console.wiring import Here

if TYPE_CHECKING:
    from farandole.router.asyncapi import Server


@click.command()
@file_argument
@click.option("--yaml", "as_yaml", is_flag=True, help="YAML instead of JSON.")
@click.pass_obj
def asyncapi(here: Here, file: Path | None, as_yaml: bool) -> None:
    """Print an AsyncAPI 3.0 document of FILE (default: the folder's topology.yaml).

    Needs no broker; names the one in use where it is known.
    """
    from farandole.router.asyncapi import document

    made = document(here.derived(file), here.settings().names, _server(here))
    if not as_yaml:
        say_json(made)
        return
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    yaml.representer.ignore_aliases = lambda _: True
    text = StringIO()
    yaml.dump(made, text)
    say(text.getvalue().rstrip())


def _server(here: Here) -> Server | None:
    from farandole.broker import embedded
    from farandole.router.asyncapi import Server

    settings = here.settings()
    if settings.bootstrap is not None:
        return Server(settings.bootstrap, settings.tls, settings.sasl_mechanism)
    running = embedded.status(here.folder.resolve())
    return Server(running.address) if running else None
