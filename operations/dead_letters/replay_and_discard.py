"""What happens, step by step, when a person has dead letters replayed or discarded?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import click

from farandole.cli.output import print_line
from farandole.cli.rendering.errors import CommandError
from farandole.events.safe_text import single_line
from farandole.operations.current_user import current_user
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay_builder import NotReplayableError, Replay
from farandole.operations.dead_letters.settlement_writer import (
    SettlementOrder,
    SettlementOutcome,
    count_refusal,
    find_open_letters,
    prepare_ordered_replay,
    settle_letters,
)
from farandole.operations.dead_letters.value_patch import (
    MAX_EDITED_LETTERS,
    UnfitValueError,
    edit_value,
    patch_amender,
)


async def replay_letters(
    store: DeadLetterStore,
    stages: Sequence[str],
    selection: LetterSelection,
    *,
    edit: bool = False,
    patch: tuple[Any] | None = None,
    as_new_run: bool = False,
    dry_run: bool = False,
    yes: bool = False,
) -> tuple[int, int]:
    """How many of the open letters that are meant are replayed, and how many cannot be; `patch`
    holds the document, which may be null. Raises CommandError, BrokerError."""
    amend = patch_amender(patch[0]) if patch else None
    why = "with a patched value" if patch else "with an edited value" if edit else ""
    orders: list[SettlementOrder] = []
    refused: Counter[str] = Counter()
    for stage, offsets in (
        await _open_letters(store, stages, selection, fence=not dry_run)
    ).items():
        retrying = await store.retry_topic(stage)
        order = SettlementOrder(
            stage, "replayed", frozenset(offsets), current_user(), why, retrying, amend, as_new_run
        )
        fit = await _find_replayable(
            store, order, refused, keep=MAX_EDITED_LETTERS + 1 if edit else 0
        )
        if fit.count:
            orders.append(
                order._replace(amend_value=_edit_letters(fit.kept, stage)) if edit else order
            )
        print_line(f"{stage}: {_count_text(fit.count)} can be replayed")
    _print_refusals(refused, "cannot be replayed")
    total, done = sum(len(order.letters) for order in orders), 0
    if not total:
        print_line("nothing to replay: no open letter that can be is meant")
    elif not dry_run:
        _confirm_replay(total, yes)
        for order in orders:
            outcome = await _settle_with_progress(store, order)
            _print_outcome(order, outcome)
            done += outcome.done
    return done, refused.total()


class _ReplayableLetters:
    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Replay] = []


async def _find_replayable(
    store: DeadLetterStore, order: SettlementOrder, refused: Counter[str], keep: int
) -> _ReplayableLetters:
    """How many letters of an order can be replayed; the others are counted, by why. Raises
    CommandError where the mended value of one is not what the stage takes: before anything is
    sent."""
    fit = _ReplayableLetters()
    taken: set[bytes] = set()
    meant = LetterSelection({order.stage: order.letters})
    async with aclosing(store.letters(order.stage, meant)) as letters:
        async for letter in letters:
            try:
                made = prepare_ordered_replay(store, order, letter.record, taken)
            except NotReplayableError as error:
                count_refusal(refused, str(error))
                continue
            except UnfitValueError as error:
                raise CommandError(
                    f"farandole: {order.stage}/{letter.record.offset}: {error}; nothing was "
                    "replayed"
                ) from None
            fit.count += 1
            if fit.count <= keep:
                fit.kept.append(made)
    return fit


def _edit_letters(replays: list[Replay], stage: str) -> Callable[[Replay], bytes]:
    """What a person makes of each. Raises CommandError, before anything is sent."""
    if len(replays) > MAX_EDITED_LETTERS:
        raise CommandError(
            f"farandole: more than {MAX_EDITED_LETTERS} letters of {stage} are meant, "
            "too many to edit "
            "one by one; change them all with --patch FILE"
        )
    values: dict[int, bytes] = {}
    for each in replays:
        place = f"{stage}/{each.letter_offset}"
        try:
            values[each.letter_offset] = edit_value(each)
        except UnfitValueError as error:
            raise CommandError(f"farandole: {place}: {error}; nothing was replayed") from None
    return lambda made: values[made.letter_offset]


def _confirm_replay(total: int, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("farandole: nothing was replayed: nobody can be asked here; say --yes")
    click.confirm(f"replay {_count_text(total)}?", abort=True, err=True)


async def discard_letters(
    store: DeadLetterStore, stages: Sequence[str], selection: LetterSelection, reason: str
) -> None:
    """Raises CommandError, BrokerError."""
    found = await _open_letters(store, stages, selection, fence=True)
    for stage, offsets in found.items():
        order = SettlementOrder(stage, "discarded", frozenset(offsets), current_user(), reason)
        _print_outcome(order, await _settle_with_progress(store, order))
    if not found:
        print_line("nothing to discard: no open letter is meant")


async def _open_letters(
    store: DeadLetterStore, stages: Sequence[str], selection: LetterSelection, *, fence: bool
) -> Mapping[str, list[int]]:
    """By stage, the open letters that are meant; says which were settled before. Raises
    CommandError where a position holds no letter."""
    found: dict[str, list[int]] = {}
    for stage in stages:
        offsets, settled = await find_open_letters(store, stage, selection, fence=fence)
        missing = selection.positions.get(stage, frozenset()) - settled.keys() - set(offsets)
        if missing:
            raise CommandError(
                f"farandole: there is no dead letter {stage}/{min(missing)}; see: farandole dead"
            )
        if settled:
            print_line(
                f"{stage}: {_count_text(len(settled))} settled before, to which nothing is done"
            )
        if offsets:
            found[stage] = offsets
    return found


async def _settle_with_progress(
    store: DeadLetterStore, order: SettlementOrder
) -> SettlementOutcome:
    total = len(order.letters)

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{order.stage}: {done:,} of {total:,}", err=True, nl=done >= total)

    return await settle_letters(store, order, progress)


def _print_outcome(order: SettlementOrder, outcome: SettlementOutcome) -> None:
    line = f"{order.stage}: {_count_text(outcome.done)} {order.how}"
    gone = len(order.letters) - outcome.done - outcome.settled_by_others - outcome.refused.total()
    if gone:
        line += f"; {gone:,} are kept no longer"
    if outcome.settled_by_others:
        line += f"; {outcome.settled_by_others:,} had been settled by somebody else by then"
    print_line(line)


def _print_refusals(refused: Counter[str], what: str) -> None:
    for why, count in refused.most_common():
        print_line(single_line(f"{_count_text(count)} {what}: {why}"))


def _count_text(count: int) -> str:
    return f"{count:,} letter{'' if count == 1 else 's'}"
