"""What died, and what becomes of it?"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farandole.console import names
from farandole.console.commands.runs import Moment
from farandole.console.dead_letters.amending import MOST_EDITED
from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, known, run

if TYPE_CHECKING:
    from farandole.console.dead_letters.letters import Selection
    from farandole.console.dead_letters.settling import Graveyard
    from farandole.events.record import Record
    from farandole.events.settlement import Settlement

Command = Callable[..., Any]


def _filters(command: Command) -> Command:
    """What narrows down which letters are meant."""
    for option in reversed(
        (
            click.option("--stage", metavar="STAGE", shell_complete=names.stages),
            click.option("--run", "run_id", metavar="RUN", help="Of this run."),
            click.option("--fingerprint", metavar="WORD", help="Of this kind."),
            click.option("--since", type=Moment(), metavar="2h", help="Died in the last 2 h."),
            click.option("--until", type=Moment(), metavar="1h", help="Died before that."),
        )
    ):
        command = option(command)
    return command


def _selecting(command: Command) -> Command:
    for option in reversed(
        (
            click.argument("places", metavar="[STAGE/OFFSET]...", nargs=-1),
            _filters,
            click.option("--all", "every", is_flag=True, help="Every letter of the pipeline."),
        )
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_filters
@json_option
@click.pass_context
def dead(context: click.Context, /, as_json: bool, **filters: Any) -> None:
    """List what died by stage and kind: how many letters are open, how many are settled, since
    when. Then look at one, replay or discard them.

    Times are UTC.
    """
    if context.invoked_subcommand is not None:
        if as_json or any(value is not None for value in filters.values()):
            raise click.UsageError("say what is meant behind the command's name")
        return
    here: Here = context.obj
    here.logs()
    run(_dead(here, _selection((), every=True, **filters), as_json))


@dead.command()
@click.argument("place", metavar="STAGE/OFFSET")
@click.pass_obj
def show(here: Here, place: str) -> None:
    """Show one dead letter: why it died, its traceback, headers and data, and what became of it."""
    selection = _selection((place,))
    ((stage, offsets),) = selection.places.items()
    (offset,) = offsets
    here.logs()
    run(_show(here, stage, offset))


@dead.command()
@_selecting
@click.option("--edit", is_flag=True, help=f"Edit each in $EDITOR, {MOST_EDITED} at most.")
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
    here: Here,
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
    from farandole.console.dead_letters.amending import read_patch

    if edit and patch is not None:
        raise click.UsageError("say either --edit or --patch")
    selection = _selection(places, every=every, **filters)
    document = None if patch is None else (read_patch(patch),)
    here.logs()
    how = {"edit": edit, "patch": document, "as_new_run": as_new_run, "dry_run": dry_run}
    if run(_replay(here, selection, **how, yes=yes)):
        raise click.exceptions.Exit(1)


@dead.command()
@_selecting
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who ask later.")
@click.pass_obj
def discard(
    here: Here, /, places: tuple[str, ...], every: bool, reason: str, **filters: Any
) -> None:
    """Settle dead letters for good: they stay to be read, and are never replayed.

    In the books they stay dead.
    """
    if not reason.strip():
        raise click.UsageError("--reason is empty")
    selection = _selection(places, every=every, **filters)
    here.logs()
    run(_discard(here, selection, reason))


def _selection(
    places: tuple[str, ...],
    *,
    every: bool = False,
    stage: str | None = None,
    run_id: str | None = None,
    fingerprint: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Selection:
    """Raises UsageError where it says nothing, or two things."""
    from farandole.console.dead_letters.letters import Selection

    at: dict[str, set[int]] = {}
    for place in places:
        name, slash, offset = place.rpartition("/")
        if not (slash and name and offset.isascii() and offset.isdigit() and len(offset) < 19):
            raise click.UsageError(
                f"{place!r} is no STAGE/OFFSET, as in: farandole dead show validate/17"
            )
        at.setdefault(name, set()).add(int(offset))
    found = Selection(
        {name: frozenset(offsets) for name, offsets in at.items()},
        stage, run_id, fingerprint, since, until, every,
    )  # fmt: skip
    if not found.said:
        raise click.UsageError(
            "no letter is selected; name some by STAGE/OFFSET, --stage, --fingerprint, --run, "
            "--since or --until, or say --all"
        )
    if found.places and (found.filtered or every):
        raise click.UsageError("say either which positions, or what they have in common")
    return found


async def _yard(here: Here, selection: Selection) -> tuple[Graveyard, list[str]]:
    """And the stages whose letters can be meant. Raises Failed, BrokerError."""
    from farandole.console.dead_letters.settling import graveyard

    settings = await here.reached()
    yard = await graveyard(settings, await here.pipeline(settings))
    for named in (*selection.places, *([selection.stage] if selection.stage else ())):
        known(named, yard.stages, "stage")
    return yard, [stage for stage in yard.stages if selection.looks_at(stage)]


async def _dead(here: Here, selection: Selection, as_json: bool) -> None:
    from farandole.console.dead_letters import kinds

    yard, stages = await _yard(here, selection)
    found = await kinds.of(yard, stages, selection)
    if as_json:
        say_json([kinds.data(group) for group in found])
    elif not found:
        say("no dead letter is kept" if not selection.filtered else "no dead letter fits")
    else:
        for line in kinds.table(found):
            say(line)


async def _show(here: Here, stage: str, offset: int) -> None:
    yard, _ = await _yard(here, _selection((f"{stage}/{offset}",)))
    record = await yard.at(stage, offset)
    if record is None:
        raise Failed(f"farandole: there is no dead letter {stage}/{offset}; see: farandole dead")
    became = (await yard.settled(stage, offset)).get(offset)
    for line in _lines(record, stage, became):
        say(line)
    say("")
    for line in _leads(here, yard, record, stage, became):
        say(line)


def _lines(record: Record, stage: str, became: Settlement | None) -> list[str]:
    """For a person; nothing of it obeys him or his terminal."""
    from farandole.console.dead_letters.letters import said
    from farandole.events.deadletter import FAMILY
    from farandole.events.display import harmless, in_one_line

    def word(name: str, otherwise: str = "(unknown)") -> str:
        return in_one_line(said(record, name)) or otherwise

    def indented(text: str) -> list[str]:
        return [f"  {line}" for line in harmless(text).replace("\t", "    ").split("\n")]

    key = "(none)" if record.key is None else in_one_line(_text(record.key))
    first, last = word("first_failed"), word("last_failed")
    lines = [
        f"{stage}/{record.offset}: {word('error')}, kind {word('fingerprint')}",
        *indented(said(record, "message") or "(no message)"),
        "",
        f"event    {word('topic')}/{word('partition')}/{word('offset')}, key {key}",
        f"run      {word('run')}, wired by {word('version')}",
        f"tried    {word('attempts')} times, from {first} to {last}; replayed "
        f"{word('replays', '0')} times before",
    ]
    if said(record, "cut"):
        lines.append(f"cut      {word('cut')}")
    if became is None:
        lines.append("settled  no: it is open")
    else:
        why = f": {in_one_line(became.reason)}" if became.reason else ""
        lines.append(
            f"settled  {became.how} by {in_one_line(became.by)} at "
            f"{became.at:%Y-%m-%d %H:%M:%S}{why}"
        )
    if said(record, "traceback"):
        lines += ["", *indented(said(record, "traceback").rstrip("\n"))]
    headers = [(n, v) for n, v in record.headers if not n.startswith(FAMILY)]
    if headers:
        lines += ["", *(in_one_line(f"{n}: {_text(v)}") for n, v in headers)]
    return [*lines, "", *indented(_value(record.value))]


def _text(raw: bytes | None) -> str:
    return "(null)" if raw is None else raw.decode(errors="backslashreplace")


def _value(value: bytes | None) -> str:
    """Indented, where it is JSON."""
    from farandole.console.dead_letters.amending import document, pretty

    try:
        return pretty(document((value or b"").decode())).rstrip("\n")
    except (ValueError, RecursionError):
        return "(no value)" if value is None else _text(value)


def _leads(
    here: Here, yard: Graveyard, record: Record, stage: str, became: Settlement | None
) -> list[str]:
    """The commands to go on with."""
    from farandole.console.dead_letters.letters import said
    from farandole.console.hints import farandole
    from farandole.events.ids import RUN

    bootstrap = shlex.quote(yard.settings.bootstrap or "")
    lines = [
        f"kcat -C -b {bootstrap} -t {yard.topic(stage)} -p 0 -o {record.offset} -c 1 "
        "-f '%h\\n%k\\n%s\\n'"
    ]
    run_id = said(record, "run")
    if RUN.fullmatch(run_id.encode()):
        lines.append(farandole(here, "run", run_id))
    if became is None:
        place = f"{stage}/{record.offset}"
        lines.append(farandole(here, "dead", "replay", place))
        lines.append(farandole(here, "dead", "discard", place, "--reason", "'…'"))
    return lines


async def _replay(here: Here, selection: Selection, **how: Any) -> int:
    """How many letters cannot be replayed."""
    from farandole.console.dead_letters import orders

    _, refused = await orders.replay(*await _yard(here, selection), selection, **how)
    return refused


async def _discard(here: Here, selection: Selection, reason: str) -> None:
    from farandole.console.dead_letters import orders

    await orders.discard(*await _yard(here, selection), selection, reason)
