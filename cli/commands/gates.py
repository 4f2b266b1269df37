"""How are runs that wait for a verdict listed and released?"""

from __future__ import annotations

import click

from farandole.cli import shell_completion
from farandole.cli.command_groups import ListingGroup
from farandole.cli.context import CliContext
from farandole.cli.options import by_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.operations.current_user import current_user


@click.group(cls=ListingGroup, invoke_without_command=True)
@json_option
@click.pass_context
def gates(click_context: click.Context, as_json: bool) -> None:
    """List the runs that wait before gated stages, and let one in.

    A stage with `gate: true` takes nothing of a run before all that is upstream of it is worked and
    the checks with `severity: gate` have passed. Times are UTC.
    """
    if click_context.invoked_subcommand is None:
        _list(click_context.obj, None, 100, as_json)
    elif as_json:
        raise click.UsageError("say --json behind the command's name")


@gates.command("list")
@click.argument("stage", required=False, shell_complete=shell_completion.complete_stages)
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many."
)
@json_option
@click.pass_obj
def list_(context: CliContext, stage: str | None, limit: int, as_json: bool) -> None:
    """List the runs that wait before gated stages.

    Those whose checks have failed come first, then those that were opened first.
    """
    _list(context, stage, limit, as_json)


def _list(context: CliContext, stage: str | None, limit: int, as_json: bool) -> None:
    from farandole.cli.rendering.gates_view import gates_lines
    from farandole.operations.gates.list_gates import GatesRequest, list_gates

    context.configure_logs()
    request = GatesRequest(stage, limit)
    found = context.run(lambda installation: list_gates(installation, request))
    if as_json:
        print_json(found.to_data())
        return
    for line in gates_lines(found, context.command_line):
        print_line(line)


@gates.command()
@click.argument("run_id", metavar="RUN", shell_complete=shell_completion.complete_runs)
@click.argument("stage", required=False, shell_complete=shell_completion.complete_stages)
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who ask later.")
@by_option
@json_option
@click.pass_obj
def release(
    context: CliContext, run_id: str, stage: str | None, reason: str, by: str | None, as_json: bool
) -> None:
    """Let RUN into its gated stages, or into STAGE alone.

    Its checks are not asked, and what has failed stays in the books. `farandole cancel` ends a run
    instead.
    """
    from farandole.operations.gates.release_run import ReleaseRequest, release_run

    if not reason.strip():
        raise click.UsageError("--reason is empty")
    context.configure_logs()
    request = ReleaseRequest(run_id, by or current_user(), reason, stage)
    result = context.run(lambda installation: release_run(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    print_line(f"{result.run}: may enter {', '.join(result.stages)}")
    for check, why in result.failed.items():
        print_line(f"  failed all the same: {check}" + (f": {why}" if why else ""))
