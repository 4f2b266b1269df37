"""What died, and what becomes of it?"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import names
from console.failing import Failed
from console.output import columns, json_option, say, say_json
from console.runs import Moment
from console.wiring import Here, known, run, who

if TYPE_CHECKING:
    from console.letters import Group, Selection
    from console.replayable import Replay
    from console.settling import Graveyard, Order, Outcome
    from events.record import Record
    from events.settlement import Settlement

MOST_EDITED = 20
"""Letters that a person edits one by one."""

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
    from console.amending import read_patch

    if edit and patch is not None:
        raise click.UsageError("say either --edit or --patch")
    selection = _selection(places, every=every, **filters)
    document = None if patch is None else (read_patch(patch),)
    here.logs()
    run(_replay(here, selection, edit, document, as_new_run, dry_run, yes))


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
    from console.letters import Selection

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
    from console.settling import graveyard

    settings = await here.reached()
    yard = await graveyard(settings, await here.pipeline(settings))
    for named in (*selection.places, *([selection.stage] if selection.stage else ())):
        known(named, yard.stages, "stage")
    return yard, [stage for stage in yard.stages if selection.looks_at(stage)]


async def _dead(here: Here, selection: Selection, as_json: bool) -> None:
    from console.letters import Groups

    yard, stages = await _yard(here, selection)
    groups = Groups()
    for stage in stages:
        done = await yard.settled(stage)
        async for letter in yard.letters(stage, selection):
            settled = done.get(letter.record.offset)
            groups.add(letter, settled.how if settled else None)
    found = groups.newest_first()
    if as_json:
        say_json([_told(group) for group in found])
        return
    if not found:
        say("no dead letter is kept" if not selection.filtered else "no dead letter fits")
        return
    rows = [("stage", "fingerprint", "what", "open", "settled", "first (UTC)", "last")]
    rows += [
        (
            g.stage,
            g.fingerprint,
            _what(g),
            f"{g.open:,}",
            f"{g.replayed + g.discarded:,}",
            _moment(g.first),
            _moment(g.last),
        )
        for g in found
    ]
    for line in columns(rows, left=3):
        say(line)


def _told(group: Group) -> dict[str, Any]:
    from events.display import in_one_line

    return {
        "stage": group.stage,
        "fingerprint": group.fingerprint,
        "error": in_one_line(group.error),
        "title": in_one_line(group.title),
        "open": group.open,
        "replayed": group.replayed,
        "discarded": group.discarded,
        "first": group.first,
        "last": group.last,
    }


def _what(group: Group) -> str:
    from events.display import in_one_line

    said = in_one_line(f"{group.error}: {group.title}")
    return said if len(said) <= 60 else f"{said[:59]}…"


def _moment(milliseconds: int) -> str:
    from console.spans import moment
    from notifier.letters import time_of
    from notifier.work import now

    # Whoever wrote it may have said any time.
    return moment(int(time_of(milliseconds, now()).timestamp() * 1000))


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
    from console.letters import said
    from events.deadletter import FAMILY
    from events.display import harmless, in_one_line

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
    from console.amending import document, pretty

    try:
        return pretty(document((value or b"").decode())).rstrip("\n")
    except (ValueError, RecursionError):
        return "(no value)" if value is None else _text(value)


def _leads(
    here: Here, yard: Graveyard, record: Record, stage: str, became: Settlement | None
) -> list[str]:
    """The commands to go on with."""
    from console.hints import farandole
    from console.letters import said
    from events.ids import RUN

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


async def _replay(
    here: Here,
    selection: Selection,
    edit: bool,
    patch: tuple[Any] | None,
    as_new_run: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    from console.amending import by_patch
    from console.settling import Order

    yard, stages = await _yard(here, selection)
    amend = by_patch(patch[0]) if patch else None
    why = "with a patched value" if patch else "with an edited value" if edit else ""
    orders: list[Order] = []
    refused: Counter[str] = Counter()
    for stage, offsets in (await _open(yard, stages, selection, fence=not dry_run)).items():
        retrying = await yard.retrying(stage)
        order = Order(
            stage, "replayed", frozenset(offsets), who(), why, retrying, amend, as_new_run
        )
        fit = await _fitting(yard, order, refused, keep=MOST_EDITED + 1 if edit else 0)
        if fit.count:
            orders.append(order._replace(amend=_edited(fit.kept, stage)) if edit else order)
        say(f"{stage}: {_letters(fit.count)} can be replayed")
    _say_refused(refused, "cannot be replayed")
    total = sum(len(order.letters) for order in orders)
    if not total:
        say("nothing to replay: no open letter that can be is meant")
    elif not dry_run:
        _confirm(total, yes)
        for order in orders:
            _say_outcome(order, await _carried_out(yard, order))
    if refused:
        raise click.exceptions.Exit(1)


class _Fit:
    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Replay] = []


async def _fitting(yard: Graveyard, order: Order, refused: Counter[str], keep: int) -> _Fit:
    """How many letters of an order can be replayed; the others are counted, by why. Raises Failed
    where the mended value of one is not what the stage takes: before anything is sent."""
    from console.amending import Unfit
    from console.letters import Selection
    from console.replayable import NotReplayable
    from console.settling import refuse, replay_of

    fit = _Fit()
    taken: set[bytes] = set()
    meant = Selection({order.stage: order.letters})
    async with aclosing(yard.letters(order.stage, meant)) as letters:
        async for letter in letters:
            try:
                made = replay_of(yard, order, letter.record, taken)
            except NotReplayable as error:
                refuse(refused, str(error))
                continue
            except Unfit as error:
                raise Failed(
                    f"farandole: {order.stage}/{letter.record.offset}: {error}; nothing was "
                    "replayed"
                ) from None
            fit.count += 1
            if fit.count <= keep:
                fit.kept.append(made)
    return fit


def _edited(replays: list[Replay], stage: str) -> Callable[[Replay], bytes]:
    """What a person makes of each. Raises Failed, before anything is sent."""
    from console.amending import Unfit, by_editor

    if len(replays) > MOST_EDITED:
        raise Failed(
            f"farandole: more than {MOST_EDITED} letters of {stage} are meant, too many to edit "
            "one by one; change them all with --patch FILE"
        )
    values: dict[int, bytes] = {}
    for each in replays:
        place = f"{stage}/{each.letter}"
        try:
            values[each.letter] = by_editor(each)
        except Unfit as error:
            raise Failed(f"farandole: {place}: {error}; nothing was replayed") from None
    return lambda made: values[made.letter]


def _confirm(total: int, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failed("farandole: nothing was replayed: nobody can be asked here; say --yes")
    click.confirm(f"replay {_letters(total)}?", abort=True, err=True)


async def _discard(here: Here, selection: Selection, reason: str) -> None:
    from console.settling import Order

    yard, stages = await _yard(here, selection)
    found = await _open(yard, stages, selection, fence=True)
    for stage, offsets in found.items():
        order = Order(stage, "discarded", frozenset(offsets), who(), reason)
        _say_outcome(order, await _carried_out(yard, order))
    if not found:
        say("nothing to discard: no open letter is meant")


async def _open(
    yard: Graveyard, stages: list[str], selection: Selection, *, fence: bool
) -> Mapping[str, list[int]]:
    """By stage, the open letters that are meant; says which were settled before. Raises Failed
    where a position holds no letter."""
    from console.settling import survey

    found: dict[str, list[int]] = {}
    for stage in stages:
        offsets, settled = await survey(yard, stage, selection, fence=fence)
        missing = selection.places.get(stage, frozenset()) - settled.keys() - set(offsets)
        if missing:
            raise Failed(
                f"farandole: there is no dead letter {stage}/{min(missing)}; see: farandole dead"
            )
        if settled:
            say(f"{stage}: {_letters(len(settled))} settled before, to which nothing is done")
        if offsets:
            found[stage] = offsets
    return found


async def _carried_out(yard: Graveyard, order: Order) -> Outcome:
    from console.settling import carry_out

    total = len(order.letters)

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{order.stage}: {done:,} of {total:,}", err=True, nl=done >= total)

    return await carry_out(yard, order, progress)


def _say_outcome(order: Order, outcome: Outcome) -> None:
    line = f"{order.stage}: {_letters(outcome.done)} {order.how}"
    gone = len(order.letters) - outcome.done - outcome.others - outcome.refused.total()
    if gone:
        line += f"; {gone:,} are kept no longer"
    if outcome.others:
        line += f"; {outcome.others:,} had been settled by somebody else by then"
    say(line)


def _say_refused(refused: Counter[str], what: str) -> None:
    from events.display import in_one_line

    for why, count in refused.most_common():
        say(in_one_line(f"{_letters(count)} {what}: {why}"))


def _letters(count: int) -> str:
    return f"{count:,} letter{'' if count == 1 else 's'}"
