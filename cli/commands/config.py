"""Which settings are in force, and where does each come from?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.command()
@json_option
@click.pass_obj
def config(context: CliContext, as_json: bool) -> None:
    """Show the settings in force, and where each comes from.

    An option of the command line comes before the environment, then .env, then farandole.toml, then
    the default. Secrets are masked. No broker is needed. A variable that looks like a setting and
    is none is told.
    """
    from farandole.cli.rendering.settings_table import settings_table, unknown_variable_text
    from farandole.operations.setup.show_settings import SettingsRequest, show_settings

    options = {"bootstrap": context.bootstrap, "namespace": context.namespace}
    request = SettingsRequest(context.folder, options, context.env_file_variables)
    result = show_settings(request)
    if as_json:
        print_json(result.to_data())
        return
    for line in settings_table(result):
        print_line(line)
    for unknown in result.unknown:
        click.echo(unknown_variable_text(unknown), err=True)
