"""What died, and what becomes of it?"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import MomentParameter
from farandole.cli.rendering.errors import CommandError
from farandole.operations.dead_letters.value_patch import MAX_EDITED_LETTERS
from farandole.operations.names import require_known
from farandole.services.async_runner import run_async

if TYPE_CHECKING:
    from farandole.events.record import Record
    from farandole.events.settlement_record import Settlement
    from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
    from farandole.operations.dead_letters.letter_selection import LetterSelection

CommandFunction = Callable[..., Any]


def _filter_options(command: CommandFunction) -> CommandFunction:
    """What narrows down which letters are meant."""
    for option in reversed(
        (
            click.option(
                "--stage", metavar="STAGE", shell_complete=shell_completion.complete_stages
            ),
            click.option("--run", "run_id", metavar="RUN", help="Of this run."),
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
    for option in reversed(
        (
            click.argument("places", metavar="[STAGE/OFFSET]...", nargs=-1),
            _filter_options,
            click.option("--all", "every", is_flag=True, help="Every letter of the pipeline."),
        )
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_filter_options
@json_option
@click.pass_context
def dead(click_context: click.Context, /, as_json: bool, **filters: Any) -> None:
    """List what died by stage and kind: how many letters are open, how many are settled, since
    when. Then look at one, replay or discard them.

    Times are UTC.
    """
    if click_context.invoked_subcommand is not None:
        if as_json or any(value is not None for value in filters.values()):
            raise click.UsageError("say what is meant behind the command's name")
        return
    context: CliContext = click_context.obj
    context.configure_logs()
    run_async(_list_kinds(context, _build_selection((), every=True, **filters), as_json))


@dead.command()
@click.argument("place", metavar="STAGE/OFFSET")
@click.pass_obj
def show(context: CliContext, place: str) -> None:
    """Show one dead letter: why it died, its traceback, headers and data, and what became of it."""
    selection = _build_selection((place,))
    ((stage, offsets),) = selection.positions.items()
    (offset,) = offsets
    context.configure_logs()
    run_async(_show_letter(context, stage, offset))


@dead.command()
@_selection_options
@click.option("--edit", is_flag=True, help=f"Edit each in $EDITOR, {MAX_EDITED_LETTERS} at most.")
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
    help="Publish what a retired version had as a root once more, as a new run.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be replayed, and end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def replay(
    context: CliContext,
    /,
    places: tuple[str, ...],
    every: bool,
    edit: bool,
    patch: Path | None,
    as_new_run: bool,
    dry_run: bool,
    yes: bool,
    **filters: Any,
) -> None:
    """Hand dead letters to the stage that gave up on them, once more and each once.

    Nobody else sees them. Two people may replay the same letters at the same time, and whoever was
    interrupted gives the same command again. Exit code 1: some could not be replayed.
    """
    from farandole.operations.dead_letters.value_patch import read_patch_file

    if edit and patch is not None:
        raise click.UsageError("say either --edit or --patch")
    selection = _build_selection(places, every=every, **filters)
    document = None if patch is None else (read_patch_file(patch),)
    context.configure_logs()
    how = {"edit": edit, "patch": document, "as_new_run": as_new_run, "dry_run": dry_run}
    if run_async(_replay_letters(context, selection, **how, yes=yes)):
        raise click.exceptions.Exit(1)


@dead.command()
@_selection_options
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who ask later.")
@click.pass_obj
def discard(
    context: CliContext, /, places: tuple[str, ...], every: bool, reason: str, **filters: Any
) -> None:
    """Settle dead letters for good: they stay to be read, and are never replayed.

    In the books they stay dead.
    """
    if not reason.strip():
        raise click.UsageError("--reason is empty")
    selection = _build_selection(places, every=every, **filters)
    context.configure_logs()
    run_async(_discard_letters(context, selection, reason))


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
    """Raises UsageError where it says nothing, or two things."""
    from farandole.operations.dead_letters.letter_selection import LetterSelection

    at: dict[str, set[int]] = {}
    for place in places:
        name, slash, offset = place.rpartition("/")
        if not (slash and name and offset.isascii() and offset.isdigit() and len(offset) < 19):
            raise click.UsageError(
                f"{place!r} is no STAGE/OFFSET, as in: farandole dead show validate/17"
            )
        at.setdefault(name, set()).add(int(offset))
    found = LetterSelection(
        {name: frozenset(offsets) for name, offsets in at.items()},
        stage, run_id, fingerprint, since, until, all_letters=every,
    )  # fmt: skip
    if not found.is_given:
        raise click.UsageError(
            "no letter is selected; name some by STAGE/OFFSET, --stage, --fingerprint, --run, "
            "--since or --until, or say --all"
        )
    if found.positions and (found.has_filters or every):
        raise click.UsageError("say either which positions, or what they have in common")
    return found


async def _open_store(
    context: CliContext, selection: LetterSelection
) -> tuple[DeadLetterStore, list[str]]:
    """And the stages whose letters can be meant. Raises CommandError, BrokerError."""
    from farandole.operations.dead_letters.dead_letter_store import open_dead_letter_store

    settings = await context.connect()
    store = await open_dead_letter_store(settings, await context.pipeline(settings))
    for named in (*selection.positions, *([selection.stage] if selection.stage else ())):
        require_known(named, store.stages, "stage")
    return store, [stage for stage in store.stages if selection.may_include_stage(stage)]


async def _list_kinds(context: CliContext, selection: LetterSelection, as_json: bool) -> None:
    from farandole.cli.rendering.dead_letter_view import kind_lines
    from farandole.operations.dead_letters import failure_kinds

    store, stages = await _open_store(context, selection)
    found = await failure_kinds.list_failure_kinds(store, stages, selection)
    if as_json:
        print_json([kind.to_data() for kind in found])
    elif not found:
        print_line("no dead letter is kept" if not selection.has_filters else "no dead letter fits")
    else:
        for line in kind_lines(found):
            print_line(line)


async def _show_letter(context: CliContext, stage: str, offset: int) -> None:
    store, _ = await _open_store(context, _build_selection((f"{stage}/{offset}",)))
    record = await store.letter_at(stage, offset)
    if record is None:
        raise CommandError(
            f"farandole: there is no dead letter {stage}/{offset}; see: farandole dead"
        )
    became = (await store.settlements(stage, offset)).get(offset)
    for line in _letter_lines(record, stage, became):
        print_line(line)
    print_line("")
    for line in _next_commands(context, store, record, stage, became):
        print_line(line)


def _letter_lines(record: Record, stage: str, became: Settlement | None) -> list[str]:
    """For a person; nothing of it obeys him or his terminal."""
    from farandole.events.dead_letter import DEAD_HEADER_PREFIX
    from farandole.events.safe_text import escape_harmful, single_line
    from farandole.operations.dead_letters.letter_selection import account_field

    def word(name: str, otherwise: str = "(unknown)") -> str:
        return single_line(account_field(record, name)) or otherwise

    def indented(text: str) -> list[str]:
        return [f"  {line}" for line in escape_harmful(text).replace("\t", "    ").split("\n")]

    key = "(none)" if record.key is None else single_line(_decode_text(record.key))
    first, last = word("first_failed"), word("last_failed")
    lines = [
        f"{stage}/{record.offset}: {word('error')}, kind {word('fingerprint')}",
        *indented(account_field(record, "message") or "(no message)"),
        "",
        f"event    {word('topic')}/{word('partition')}/{word('offset')}, key {key}",
        f"run      {word('run')}, wired by {word('version')}",
        f"tried    {word('attempts')} times, from {first} to {last}; replayed "
        f"{word('replays', '0')} times before",
    ]
    if account_field(record, "cut"):
        lines.append(f"cut      {word('cut')}")
    if became is None:
        lines.append("settled  no: it is open")
    else:
        why = f": {single_line(became.reason)}" if became.reason else ""
        lines.append(
            f"settled  {became.how} by {single_line(became.by)} at "
            f"{became.at:%Y-%m-%d %H:%M:%S}{why}"
        )
    if account_field(record, "traceback"):
        lines += ["", *indented(account_field(record, "traceback").rstrip("\n"))]
    headers = [(n, v) for n, v in record.headers if not n.startswith(DEAD_HEADER_PREFIX)]
    if headers:
        lines += ["", *(single_line(f"{n}: {_decode_text(v)}") for n, v in headers)]
    return [*lines, "", *indented(_format_value(record.value))]


def _decode_text(raw: bytes | None) -> str:
    return "(null)" if raw is None else raw.decode(errors="backslashreplace")


def _format_value(value: bytes | None) -> str:
    """Indented, where it is JSON."""
    from farandole.operations.dead_letters.value_patch import format_json, parse_json

    try:
        return format_json(parse_json((value or b"").decode())).rstrip("\n")
    except (ValueError, RecursionError):
        return "(no value)" if value is None else _decode_text(value)


def _next_commands(
    context: CliContext,
    store: DeadLetterStore,
    record: Record,
    stage: str,
    became: Settlement | None,
) -> list[str]:
    """The commands to go on with."""
    from farandole.events.run_ids import RUN_ID_PATTERN
    from farandole.operations.dead_letters.letter_selection import account_field

    bootstrap = shlex.quote(store.settings.bootstrap or "")
    lines = [
        f"kcat -C -b {bootstrap} -t {store.topic(stage)} -p 0 -o {record.offset} -c 1 "
        "-f '%h\\n%k\\n%s\\n'"
    ]
    run_id = account_field(record, "run")
    if RUN_ID_PATTERN.fullmatch(run_id.encode()):
        lines.append(context.command_line("run", run_id))
    if became is None:
        place = f"{stage}/{record.offset}"
        lines.append(context.command_line("dead", "replay", place))
        lines.append(context.command_line("dead", "discard", place, "--reason", "'…'"))
    return lines


async def _replay_letters(context: CliContext, selection: LetterSelection, **how: Any) -> int:
    """How many letters cannot be replayed."""
    from farandole.operations.dead_letters import replay_and_discard

    _, refused = await replay_and_discard.replay_letters(
        *await _open_store(context, selection), selection, **how
    )
    return refused


async def _discard_letters(context: CliContext, selection: LetterSelection, reason: str) -> None:
    from farandole.operations.dead_letters import replay_and_discard

    await replay_and_discard.discard_letters(
        *await _open_store(context, selection), selection, reason
    )
