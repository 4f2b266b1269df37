"""How are dead letters listed, shown, replayed and discarded?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farandole.cli import shell_completion
from farandole.cli.command_groups import CommandGroup
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import MomentParameter
from farandole.cli.progress import ProgressLine
from farandole.cli.rendering.counts import count_text
from farandole.cli.rendering.errors import CommandError
from farandole.events.number_format import grouped
from farandole.operations.current_user import current_user

if TYPE_CHECKING:
    from farandole.operations.dead_letters.discard import DiscardResult
    from farandole.operations.dead_letters.letter_selection import LetterSelection
    from farandole.operations.dead_letters.replay import (
        LetterValues,
        ReplayPreview,
    )
    from farandole.operations.installation import Installation

CommandFunction = Callable[..., Any]


def _filter_options(command: CommandFunction) -> CommandFunction:
    """Add the options that filter letters."""
    for option in reversed(
        (
            click.option(
                "--stage", metavar="STAGE", shell_complete=shell_completion.complete_stages
            ),
            click.option(
                "--run",
                "run_id",
                metavar="RUN",
                help="Of this run.",
                shell_complete=shell_completion.complete_runs,
            ),
            click.option("--fingerprint", metavar="WORD", help="Of this kind."),
            click.option(
                "--since", type=MomentParameter(), metavar="2h", help="Died in the last 2 h."
            ),
            click.option("--until", type=MomentParameter(), metavar="1h", help="Died before that."),
        )
    ):
        command = option(command)
    return command


def _selection_options(command: CommandFunction) -> CommandFunction:
    """Add the argument and the options that select letters."""
    for option in reversed(
        (
            click.argument("places", metavar="[STAGE/OFFSET]...", nargs=-1),
            _filter_options,
            click.option("--all", "every", is_flag=True, help="Every letter of the pipeline."),
        )
    ):
        command = option(command)
    return command


@click.group(cls=CommandGroup, invoke_without_command=True)
@_filter_options
@json_option
@click.pass_context
def dead(click_context: click.Context, /, as_json: bool, **filters: Any) -> None:
    """List dead letters by stage and kind of failure.

    For each kind: how many letters are open, how many are settled, when the first and the last
    died, and the name of the newest open letter. The commands below list the letters themselves,
    show one, or replay or discard them. Times are UTC.
    """
    if click_context.invoked_subcommand is not None:
        if as_json or any(value is not None for value in filters.values()):
            raise click.UsageError("say what is meant behind the command's name")
        return
    context: CliContext = click_context.obj
    context.configure_logs()
    _list_kinds(context, _build_selection((), every=True, **filters), as_json)


@dead.command("list")
@_filter_options
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many."
)
@json_option
@click.pass_obj
def list_(context: CliContext, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List dead letters by their names, with what became of each.

    The oldest letters of each stage come first.
    """
    from farandole.cli.rendering.dead_letter_view import summary_lines
    from farandole.operations.dead_letters.letter_queries import LettersRequest, list_letters

    selection = _build_selection((), every=True, **filters)
    context.configure_logs()
    request = LettersRequest(selection, limit)
    letters = context.run(lambda installation: list_letters(installation, request))
    if as_json:
        print_json([letter.to_data() for letter in letters])
    elif not letters:
        print_line(_none_found(selection))
    else:
        for line in summary_lines(letters):
            print_line(line)
        if len(letters) == limit:
            click.echo(f"these are the first {grouped(limit)}: --limit shows more", err=True)


@dead.command()
@click.argument("place", metavar="STAGE/OFFSET")
@json_option
@click.pass_obj
def show(context: CliContext, place: str, as_json: bool) -> None:
    """Show one dead letter and what became of it.

    This prints why the event died, the traceback, the headers and the data.
    """
    from farandole.cli.rendering.dead_letter_view import letter_commands, letter_lines
    from farandole.operations.dead_letters.letter_queries import ShowLetterRequest, show_letter

    request = ShowLetterRequest(*_parse_position(place))
    context.configure_logs()
    letter = context.run(lambda installation: show_letter(installation, request))
    if as_json:
        print_json(letter.to_data())
        return
    for line in (*letter_lines(letter), "", *letter_commands(letter, context.command_line)):
        print_line(line)


@dead.command()
@_selection_options
@click.option("--edit", is_flag=True, help="Edit each in $EDITOR, 20 at most.")
@click.option(
    "--patch",
    "patch",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Change each by this JSON merge patch (RFC 7396).",
)
@click.option(
    "--as-new-run",
    is_flag=True,
    help="Publish roots of retired versions again, as new runs.",
)
@click.option(
    "--newest",
    is_flag=True,
    help="Let the newest version handle them, and not that of each event.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be replayed, and end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def replay(
    context: CliContext,
    /,
    places: tuple[str, ...],
    every: bool,
    edit: bool,
    patch: Path | None,
    as_new_run: bool,
    newest: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Let the stage that gave up on dead letters handle them again.

    Each letter is replayed once, and no other stage sees it. Two people may replay the same letters
    at the same time. After an interruption, give the same command again. Exit code 1: some letters
    could not be replayed. With --json one document is printed at the end: `preview`, and `result`,
    which is null if nothing was replayed.
    """
    from farandole.cli.rendering.dead_letter_view import preview_lines, replay_lines
    from farandole.cli.value_editor import read_patch_file
    from farandole.operations.dead_letters.replay import (
        ReplayRequest,
        preview_replay,
        replay_letters,
    )

    if edit and patch is not None:
        raise click.UsageError("say either --edit or --patch")
    selection = _build_selection(places, every=every, **filters)
    patch_text = None if patch is None else read_patch_file(patch)
    if newest and as_new_run:
        raise click.UsageError("say either --newest or --as-new-run")
    request = ReplayRequest(
        selection, current_user(), patch_text, as_new_run=as_new_run, by_newest=newest
    )
    context.configure_logs()

    async def preview_and_replay(installation: Installation) -> ReplayPreview:
        preview = await preview_replay(installation, request, fence=not dry_run, edit=edit)
        values = _edit_letters(preview) if edit else None
        result = None
        for line in () if as_json else preview_lines(preview):
            print_line(line)
        if not preview.total:
            if not as_json:
                print_line("nothing to replay: no open letter that can be is meant")
        elif not dry_run:
            _confirm_replay(preview.total, yes)
            confirmed = changed(request, values=values, letters=preview.letters)
            with ProgressLine() as progress:
                result = await replay_letters(installation, confirmed, progress.show)
            for line in () if as_json else replay_lines(result):
                print_line(line)
        if as_json:
            replayed = None if result is None else result.to_data()
            print_json({"preview": preview.to_data(), "result": replayed})
        return preview

    if context.run(preview_and_replay).refused:
        raise click.exceptions.Exit(1)


@dead.command()
@_selection_options
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who ask later.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def discard(
    context: CliContext,
    /,
    places: tuple[str, ...],
    every: bool,
    reason: str,
    yes: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Settle dead letters without replaying them.

    They can still be read, but are never replayed. In the books they stay dead. On a terminal it
    asks first.
    """
    from farandole.cli.rendering.dead_letter_view import discard_lines
    from farandole.operations.dead_letters.discard import (
        DiscardRequest,
        discard_letters,
        select_open_letters,
    )

    if not reason.strip():
        raise click.UsageError("--reason is empty")
    selection = _build_selection(places, every=every, **filters)
    context.configure_logs()
    request = DiscardRequest(selection, reason, current_user())

    async def confirm_and_discard(installation: Installation) -> DiscardResult:
        confirmed = request
        if not yes and sys.stdin.isatty():
            found = await select_open_letters(installation, selection)
            total = sum(map(len, found.positions.values()))
            if total:
                click.confirm(f"discard {count_text(total, 'letter')}?", abort=True, err=True)
                confirmed = changed(request, selection=found)
        with ProgressLine() as progress:
            return await discard_letters(installation, confirmed, progress.show)

    result = context.run(confirm_and_discard)
    if as_json:
        print_json(result.to_data())
        return
    for line in discard_lines(result):
        print_line(line)


def _list_kinds(context: CliContext, selection: LetterSelection, as_json: bool) -> None:
    from farandole.cli.rendering.dead_letter_view import kind_lines
    from farandole.operations.dead_letters.letter_queries import KindsRequest, list_kinds

    kinds = context.run(lambda installation: list_kinds(installation, KindsRequest(selection)))
    if as_json:
        print_json([kind.to_data() for kind in kinds])
    elif not kinds:
        print_line(_none_found(selection))
    else:
        for line in kind_lines(kinds):
            print_line(line)


def _none_found(selection: LetterSelection) -> str:
    return "no dead letter fits" if selection.has_filters else "no dead letter is kept"


def _parse_position(text: str) -> tuple[str, int]:
    """Return the stage and the offset of `STAGE/OFFSET`. Raises UsageError."""
    stage, slash, offset = text.rpartition("/")
    if not (slash and stage and offset.isascii() and offset.isdigit() and len(offset) < 19):
        raise click.UsageError(
            f"{text!r} is no STAGE/OFFSET, as in: farandole dead show validate/17"
        )
    return stage, int(offset)


def _build_selection(
    places: tuple[str, ...],
    *,
    every: bool = False,
    stage: str | None = None,
    run_id: str | None = None,
    fingerprint: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> LetterSelection:
    """Return the selection of the arguments and options. Raises UsageError if they select nothing,
    or both positions and filters."""
    from farandole.operations.dead_letters.letter_selection import LetterSelection

    positions: dict[str, set[int]] = {}
    for text in places:
        name, offset = _parse_position(text)
        positions.setdefault(name, set()).add(offset)
    selection = LetterSelection(
        {name: frozenset(offsets) for name, offsets in positions.items()},
        stage, run_id, fingerprint, since, until, all_letters=every,
    )  # fmt: skip
    if not selection.is_given:
        raise click.UsageError(
            "no letter is selected; name some by STAGE/OFFSET, --stage, --fingerprint, --run, "
            "--since or --until, or say --all"
        )
    if selection.positions and (selection.has_filters or every):
        raise click.UsageError("say either which positions, or what they have in common")
    return selection


def _edit_letters(preview: ReplayPreview) -> LetterValues:
    """Return the values of the letters after a person has edited them. Raises OperationError if a
    stage does not take one."""
    from farandole.cli.value_editor import edit_value
    from farandole.operations.dead_letters.replay import unfit_value
    from farandole.operations.dead_letters.value_repair import UnfitValueError

    values: dict[str, dict[int, bytes]] = {}
    for stage, replays in preview.editable.items():
        for each in replays:
            try:
                values.setdefault(stage, {})[each.letter_offset] = edit_value(each)
            except UnfitValueError as error:
                raise unfit_value(stage, each.letter_offset, error) from None
    return values


def _confirm_replay(total: int, yes: bool) -> None:
    """Ask for confirmation. Raises CommandError if nobody can be asked, and Abort if the answer is
    no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("farandole: nothing was replayed: nobody can be asked here; say --yes")
    click.confirm(f"replay {count_text(total, 'letter')}?", abort=True, err=True)
