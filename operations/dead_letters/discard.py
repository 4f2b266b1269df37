"""How are dead letters discarded?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay import ReportProgress
from farandole.operations.dead_letters.selected_letters import (
    find_selected_letters,
    open_selected_store,
)
from farandole.operations.dead_letters.settlement_writer import (
    SettlementOrder,
    UnfinishedOrderError,
    settle_letters,
)
from farandole.operations.errors import UnavailableError, operation, query
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class DiscardRequest:
    """Which letters to discard, and why."""

    selection: LetterSelection
    reason: str
    by: str


class StageDiscard(Result):
    """How many selected letters of one stage were discarded."""

    stage: str
    settled_before: int
    discarded: int
    settled_by_others: int
    """Letters that somebody else has settled since they were selected."""
    expired: int
    """Letters that retention has deleted since they were selected."""


class DiscardResult(Result):
    """The discarded letters, by stage."""

    stages: list[StageDiscard]


@query
async def select_open_letters(
    installation: Installation, selection: LetterSelection
) -> LetterSelection:
    """Return a selection, by positions, of the selected letters that are open. Raises as
    `discard_letters`."""
    store, stages = await open_selected_store(installation, selection)
    found = {
        stage: await find_selected_letters(store, stage, selection, fence=False) for stage in stages
    }
    return LetterSelection(
        {stage: frozenset(offsets) for stage, (offsets, _) in found.items() if offsets}
    )


@operation
@recorded("dead discard", lambda request: request.selection.target)
async def discard_letters(
    installation: Installation,
    request: DiscardRequest,
    progress: ReportProgress = lambda _, __, ___: None,
) -> DiscardResult:
    """Settle open letters without replaying them. They can still be read.

    Raises NotFoundError `unknown_stage` and `unknown_letter`: then nothing was discarded. Raises
    UnavailableError `order_unfinished` if it was given up: the same request continues where this
    one has ended.
    """
    store, stages = await open_selected_store(installation, request.selection)
    found = [
        (stage, *await find_selected_letters(store, stage, request.selection, fence=True))
        for stage in stages
    ]
    done: list[StageDiscard] = []
    for stage, offsets, settled in found:
        if not offsets and not settled:
            continue
        order = SettlementOrder(stage, "discarded", frozenset(offsets), request.by, request.reason)

        def report(count: int, stage: str = stage, total: int = len(offsets)) -> None:
            progress(stage, count, total)

        discarded = others = 0
        if offsets:
            try:
                outcome = await settle_letters(store, order, report)
            except UnfinishedOrderError as error:
                raise UnavailableError("order_unfinished", str(error), stage=stage) from error
            discarded, others = outcome.done, outcome.settled_by_others
        done.append(
            StageDiscard(
                stage=stage,
                settled_before=len(settled),
                discarded=discarded,
                settled_by_others=others,
                expired=max(0, len(offsets) - discarded - others),
            )
        )
    installation.deed.after = {"discarded": {each.stage: each.discarded for each in done}}
    return DiscardResult(stages=done)
