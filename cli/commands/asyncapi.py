"""How is the AsyncAPI document of a pipeline printed?"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farandole.cli.context import CliContext
from farandole.cli.options import file_argument
from farandole.cli.output import print_line

if TYPE_CHECKING:
    from farandole.router.asyncapi import KafkaServer


@click.command()
@file_argument
@click.option("--yaml", "as_yaml", is_flag=True, help="YAML instead of JSON.")
@click.option(
    "--license",
    "licence",
    default="proprietary",
    show_default=True,
    metavar="NAME",
    help="The licence of what it describes.",
)
@click.pass_obj
def asyncapi(context: CliContext, file: Path | None, as_yaml: bool, licence: str) -> None:
    """Print an AsyncAPI 3.1 document of a topology file.

    FILE is by default the folder's topology.yaml. No broker is needed; the document names the one
    in use if it is known, and the first address of `alerts:` as the contact.
    """
    from pydantic_core import to_json

    from farandole.router.asyncapi import asyncapi_document

    document = asyncapi_document(
        context.derive_topology(file),
        context.settings().names,
        _known_server(context),
        licence=licence,
    )
    if not as_yaml:
        # Not orjson: a schema may have bounds beyond 64 bits.
        print_line(to_json(document, indent=2).decode())
        return
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    yaml.representer.ignore_aliases = lambda _: True
    text = StringIO()
    yaml.dump(document, text)
    print_line(text.getvalue().rstrip())


def _known_server(context: CliContext) -> KafkaServer | None:
    """Return the Kafka that settings name or that runs in the folder; None if there is none."""
    from farandole.broker import embedded_kafka
    from farandole.router.asyncapi import KafkaServer

    settings = context.settings()
    if settings.bootstrap is not None:
        return KafkaServer(settings.bootstrap, settings.tls, settings.sasl_mechanism)
    running = embedded_kafka.embedded_status(context.folder.resolve())
    return KafkaServer(running.address) if running else None
