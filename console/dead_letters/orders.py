"""What happens, step by step, when a person has dead letters replayed or discarded?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import click

from farandole.console.dead_letters.amending import MOST_EDITED, Unfit, by_editor, by_patch
from farandole.console.dead_letters.letters import Selection
from farandole.console.dead_letters.replayable import NotReplayable, Replay
from farandole.console.dead_letters.settling import (
    Graveyard,
    Order,
    Outcome,
    carry_out,
    refuse,
    replay_of,
    survey,
)
from farandole.console.failing import Failed
from farandole.console.output import say
from farandole.console.wiring import who
from farandole.events.display import in_one_line


async def replay(
    yard: Graveyard,
    stages: Sequence[str],
    selection: Selection,
    *,
    edit: bool = False,
    patch: tuple[Any] | None = None,
    as_new_run: bool = False,
    dry_run: bool = False,
    yes: bool = False,
) -> tuple[int, int]:
    """How many of the open letters that are meant are replayed, and how many cannot be; `patch`
    holds the document, which may be null. Raises Failed, BrokerError."""
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
    total, done = sum(len(order.letters) for order in orders), 0
    if not total:
        say("nothing to replay: no open letter that can be is meant")
    elif not dry_run:
        _confirm(total, yes)
        for order in orders:
            outcome = await _carried_out(yard, order)
            _say_outcome(order, outcome)
            done += outcome.done
    return done, refused.total()


class _Fit:
    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Replay] = []


async def _fitting(yard: Graveyard, order: Order, refused: Counter[str], keep: int) -> _Fit:
    """How many letters of an order can be replayed; the others are counted, by why. Raises Failed
    where the mended value of one is not what the stage takes: before anything is sent."""
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


async def discard(
    yard: Graveyard, stages: Sequence[str], selection: Selection, reason: str
) -> None:
    """Raises Failed, BrokerError."""
    found = await _open(yard, stages, selection, fence=True)
    for stage, offsets in found.items():
        order = Order(stage, "discarded", frozenset(offsets), who(), reason)
        _say_outcome(order, await _carried_out(yard, order))
    if not found:
        say("nothing to discard: no open letter is meant")


async def _open(
    yard: Graveyard, stages: Sequence[str], selection: Selection, *, fence: bool
) -> Mapping[str, list[int]]:
    """By stage, the open letters that are meant; says which were settled before. Raises Failed
    where a position holds no letter."""
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
    for why, count in refused.most_common():
        say(in_one_line(f"{_letters(count)} {what}: {why}"))


def _letters(count: int) -> str:
    return f"{count:,} letter{'' if count == 1 else 's'}"
