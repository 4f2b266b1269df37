"""What happens when dead letters are discarded?"""

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
from farandole.operations.errors import UnavailableError, operation
from farandole.operations.installation import Installation
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class DiscardRequest:
    """Which letters to discard, and why."""

    selection: LetterSelection
    reason: str
    by: str


class StageDiscard(Result):
    """What was done with the selected letters of one stage."""

    stage: str
    settled_before: int
    discarded: int
    settled_by_others: int
    """Letters that somebody else has settled meanwhile."""
    expired: int
    """Letters that retention has deleted meanwhile."""


class DiscardResult(Result):
    """What was discarded, by stage."""

    stages: list[StageDiscard]


@operation
async def discard_letters(
    installation: Installation,
    request: DiscardRequest,
    progress: ReportProgress = lambda _, __, ___: None,
) -> DiscardResult:
    """Settle open letters for good: they stay to be read, and are never replayed.

    Raises NotFoundError `unknown_stage` and `unknown_letter`: then nothing was discarded. Raises
    UnavailableError `order_unfinished` where it was given up: the same request again goes on where
    this one ended.
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
    return DiscardResult(stages=done)
