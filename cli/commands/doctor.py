"""What keeps this folder from working, and what is to be done?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.services.async_runner import run_async


@click.command()
@json_option
@click.pass_obj
def doctor(context: CliContext, as_json: bool) -> None:
    """Check this machine, the folder and Kafka, and advise.

    Looked at are Python, disk, folder, settings, processes, Java and Kafka. Each line says what was
    found: ok, a warning, or a fault, and what to do about it. Exit code 1: at least one fault.
    """
    from farandole.cli.rendering.diagnosis_view import diagnosis_lines
    from farandole.operations.diagnosis.diagnose import DiagnosisRequest, diagnose
    from farandole.operations.setup.show_settings import SettingsRequest

    context.configure_logs("error")
    options = {"bootstrap": context.bootstrap, "namespace": context.namespace}
    settings = SettingsRequest(context.folder, options, context.env_file_variables)
    request = DiagnosisRequest(context.topology(), settings, context.command_line)
    result = run_async(diagnose(request))
    if as_json:
        print_json(result.to_data())
    else:
        for line in diagnosis_lines(result):
            print_line(line)
    if result.worst == "fault":
        raise click.exceptions.Exit(1)
