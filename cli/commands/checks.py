"""What have the checks of the data found, and how are they exchanged as data contracts?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli import shell_completion
from farandole.cli.command_groups import ShowingGroup
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line


@click.group(cls=ShowingGroup)
def checks() -> None:
    """List what the checks of the data have found.

    `farandole checks` shows the newest verdict of each check, `farandole checks RUN` those over one
    run. Checks are written in topology.yaml, or imported from a data contract.
    """


@checks.command()
@click.argument("run", required=False, shell_complete=shell_completion.complete_runs)
@click.option(
    "--event",
    metavar="EVENT",
    help="Only the checks of this event type.",
    shell_complete=shell_completion.complete_event_types,
)
@json_option
@click.pass_obj
def show(context: CliContext, run: str | None, event: str | None, as_json: bool) -> None:
    """List what the checks of the data have found.

    The verdicts over one run; without RUN the newest of each check, with those before.
    `skipped` and `not judged` say why. --json adds the rows that have broken a rule, masked, and
    how often which value has. Ends with status 1 if a check has failed.
    """
    from farandole.cli.rendering.checks_view import checks_lines
    from farandole.operations.quality.check_results import ChecksRequest, show_checks

    request = ChecksRequest(run, event=event)
    context.configure_logs()
    found = context.run(lambda installation: show_checks(installation, request))
    if as_json:
        print_json(found.to_data())
    else:
        for line in checks_lines(found):
            print_line(line)
    if any(check.verdict == "failed" for check in found.checks):
        raise SystemExit(1)


@checks.command("import")
@click.argument("contract", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--event",
    metavar="EVENT",
    shell_complete=shell_completion.complete_event_types,
    help="The event type that it is about.  [default: that of the object's name]",
)
@click.option("--object", "object_", metavar="NAME", help="Only this object of the contract.")
@click.option("--dry-run", is_flag=True, help="Print how the file would change, and write nothing.")
@json_option
@click.pass_obj
def import_(
    context: CliContext,
    contract: Path,
    event: str | None,
    object_: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Add the checks of a data contract to topology.yaml.

    FILE is a contract of the Open Data Contract Standard, version 3. Its rules become checks of the
    event type that has the name of their object, or its topic; comments and all other lines of
    topology.yaml stay as they are. Each rule that no check expresses is named, with the reason, and
    so is what lint refuses. No broker is needed.
    """
    from farandole.cli.rendering.contract_view import import_lines
    from farandole.operations.quality.import_checks import ImportRequest, import_checks

    source = context.topology()
    request = ImportRequest(source, contract, event, object_, write=not dry_run)
    before = source.file.read_text() if dry_run and source.file.exists() else ""
    found = import_checks(request, context.settings().names)
    if as_json:
        print_json(found.to_data())
        return
    for line in import_lines(found, before if dry_run else None):
        print_line(line)


@checks.command()
@click.argument("event", shell_complete=shell_completion.complete_event_types)
@click.option(
    "--contract-version",
    default="1.0.0",
    show_default=True,
    metavar="TEXT",
    help="The version of the contract.",
)
@json_option
@click.pass_obj
def export(context: CliContext, event: str, contract_version: str, as_json: bool) -> None:
    """Print the data contract of an event type.

    It has the schema of the data and the checks, after the Open Data Contract Standard, version
    3.1, as YAML. What the standard's own rules do not say is a rule for the engine `farandole`,
    which `import` reads again. No broker is needed.
    """
    from farandole.operations.quality.contract_file import contract_text
    from farandole.operations.quality.export_contract import ExportRequest, export_contract

    request = ExportRequest(context.topology(), event, contract_version)
    contract = export_contract(request, context.settings().names)
    if as_json:
        print_json(contract)
        return
    print_line(contract_text(contract).rstrip())
