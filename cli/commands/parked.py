"""How are rows that wait for a person listed, released, mended and discarded?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farandole.cli import shell_completion
from farandole.cli.command_groups import ListingGroup
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.counts import count_text
from farandole.operations.current_user import current_user

if TYPE_CHECKING:
    from farandole.operations.installation import Installation
    from farandole.operations.parked.order_parked import OrderRequest, OrderResult

CommandFunction = Callable[..., Any]


@click.group(cls=ListingGroup, invoke_without_command=True)
@json_option
@click.pass_context
def parked(click_context: click.Context, as_json: bool) -> None:
    """List the rows that wait for a person, and decide about them.

    A row waits because it breaks a check with `severity: park`; the later events of its key wait
    behind it. `farandole parked STAGE` lists those of one stage. Times are UTC.
    """
    if click_context.invoked_subcommand is None:
        _list(click_context.obj, None, 100, as_json)
    elif as_json:
        raise click.UsageError("say --json behind the command's name")


@parked.command("list")
@click.argument("stage", required=False, shell_complete=shell_completion.complete_stages)
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many."
)
@json_option
@click.pass_obj
def list_(context: CliContext, stage: str | None, limit: int, as_json: bool) -> None:
    """List the rows that wait for a person.

    Those of each stage that have waited longest come first. What may be personal is masked.
    """
    _list(context, stage, limit, as_json)


def _list(context: CliContext, stage: str | None, limit: int, as_json: bool) -> None:
    from farandole.cli.rendering.parked_view import parked_lines
    from farandole.operations.parked.list_parked import ParkedRequest, list_parked

    context.configure_logs()
    request = ParkedRequest(stage, limit)
    found = context.run(lambda installation: list_parked(installation, request))
    if as_json:
        print_json(found.to_data())
        return
    for line in parked_lines(found):
        print_line(line)


def _order_options(command: CommandFunction) -> CommandFunction:
    """Add what says which rows are meant."""
    for option in reversed(
        (
            click.argument("stage", shell_complete=shell_completion.complete_stages),
            click.argument("positions", metavar="[EVENT/PARTITION/OFFSET]...", nargs=-1),
            click.option("--all", "every", is_flag=True, help="Every row of the stage."),
            click.option("--check", metavar="NAME", help="Only rows that break this check."),
            click.option("--yes", is_flag=True, help="Do not ask."),
            json_option,
            click.pass_obj,
        )
    ):
        command = option(command)
    return command


@parked.command()
@_order_options
def release(context: CliContext, /, yes: bool, as_json: bool, **which: Any) -> None:
    """Let the function get rows as they are.

    Their checks are not asked again, also if the function has to try them again. With --all or
    --check it asks first, on a terminal.
    """
    from farandole.operations.parked.order_parked import release_parked

    _give(context, _request(**which), release_parked, yes, as_json)


@parked.command()
@_order_options
@click.option(
    "--patch",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Change each by this JSON merge patch (RFC 7396).",
)
def mend(context: CliContext, /, yes: bool, as_json: bool, patch: Path, **which: Any) -> None:
    """Change the data of rows, which are then judged again.

    The stage must take what the patch makes of each row, or no order is given.
    """
    from farandole.cli.value_editor import read_patch_file
    from farandole.operations.parked.order_parked import mend_parked

    request = _request(**which, patch=read_patch_file(patch))
    _give(context, request, mend_parked, yes, as_json)


@parked.command()
@_order_options
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who ask later.")
def discard(context: CliContext, /, yes: bool, as_json: bool, reason: str, **which: Any) -> None:
    """Let rows become dead letters that are settled already.

    They can still be read, but are never replayed. In the books they are dead.
    """
    from farandole.operations.parked.order_parked import discard_parked

    if not reason.strip():
        raise click.UsageError("--reason is empty")
    _give(context, _request(**which, reason=reason), discard_parked, yes, as_json)


def _request(
    stage: str, positions: tuple[str, ...], *, every: bool, check: str | None, **more: Any
) -> OrderRequest:
    """Return the request of the arguments and options. Raises UsageError if they mean nothing, or
    both positions and all."""
    from farandole.operations.parked.order_parked import OrderRequest

    if bool(positions) == (every or check is not None):
        raise click.UsageError(
            "say which rows are meant: their positions (farandole parked lists them), or --all, or"
            " --check NAME"
        )
    return OrderRequest(stage, current_user(), positions, check, **more)


def _give(
    context: CliContext,
    request: OrderRequest,
    operation: Callable[[Installation, OrderRequest], Any],
    yes: bool,
    as_json: bool,
) -> None:
    from farandole.cli.rendering.parked_view import order_lines
    from farandole.operations.parked.list_parked import ParkedRequest, list_parked

    context.configure_logs()

    async def confirm_and_give(installation: Installation) -> OrderResult:
        if not request.positions and not yes and sys.stdin.isatty():
            found = await list_parked(installation, ParkedRequest(request.stage, 1))
            meant = "" if request.check is None else f", those that break {request.check}"
            click.confirm(
                f"{request.stage}: {count_text(found.total, 'row')} wait{meant}; go on?",
                abort=True,
                err=True,
            )
        result: OrderResult = await operation(installation, request)
        return result

    result = context.run(confirm_and_give)
    if as_json:
        print_json(result.to_data())
        return
    for line in order_lines(result):
        print_line(line)
