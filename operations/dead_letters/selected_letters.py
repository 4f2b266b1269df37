"""Which stages and open letters does a request select?"""

from __future__ import annotations

from farandole.events.next_step import NextStep
from farandole.events.settlement_record import Settlement
from farandole.operations.dead_letters.dead_letter_store import (
    DeadLetterStore,
    open_dead_letter_store,
)
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.settlement_writer import find_open_letters
from farandole.operations.errors import NotFoundError
from farandole.operations.installation import Installation
from farandole.operations.names import require_known


async def open_selected_store(
    installation: Installation, selection: LetterSelection
) -> tuple[DeadLetterStore, list[str]]:
    """Return the pipeline's dead letters, and the stages that may have selected letters. Raises
    NotFoundError `unknown_stage` and `nothing_applied`."""
    store = await open_dead_letter_store(
        installation.settings, await installation.require_pipeline()
    )
    for stage in selection.named_stages:
        require_known(stage, store.stages, "stage")
    return store, [stage for stage in store.stages if selection.may_include_stage(stage)]


async def find_selected_letters(
    store: DeadLetterStore, stage: str, selection: LetterSelection, *, fence: bool
) -> tuple[list[int], dict[int, Settlement]]:
    """Return what `find_open_letters` returns. Raises NotFoundError `unknown_letter` if there is no
    letter at a selected position."""
    open_letters, settled = await find_open_letters(store, stage, selection, fence=fence)
    positions = selection.positions.get(stage, frozenset())
    missing = positions - settled.keys() - set(open_letters)
    if missing:
        raise unknown_letter(stage, min(missing))
    return open_letters, settled


def unknown_letter(stage: str, offset: int) -> NotFoundError:
    """Return the error for a position without a dead letter."""
    return NotFoundError(
        "unknown_letter",
        f"there is no dead letter {stage}/{offset}",
        next_steps=[NextStep("see", ("dead",))],
        stage=stage,
        offset=offset,
    )
