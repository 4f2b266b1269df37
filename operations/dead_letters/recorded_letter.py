"""What is recorded about one dead letter?"""

from __future__ import annotations

from typing import NamedTuple

from farandole.events.record import Record
from farandole.events.settlement_record import Settlement
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay_outcome import ReplayOutcome, find_replay_outcome
from farandole.operations.dead_letters.selected_letters import open_selected_store, unknown_letter
from farandole.operations.installation import Installation


class RecordedLetter(NamedTuple):
    """A dead letter, and where it is kept."""

    store: DeadLetterStore
    record: Record
    settlement: Settlement | None
    """None while the letter is open."""
    outcome: ReplayOutcome | None
    """None if it was not replayed."""


async def read_letter(installation: Installation, stage: str, offset: int) -> RecordedLetter:
    """Return one dead letter. Raises NotFoundError `unknown_stage`, `unknown_letter` and
    `nothing_applied`."""
    selection = LetterSelection({stage: frozenset({offset})})
    store, _ = await open_selected_store(installation, selection)
    record = await store.letter_at(stage, offset)
    if record is None:
        raise unknown_letter(stage, offset)
    settlement = (await store.settlements(stage, offset)).get(offset)
    outcome = None
    if settlement is not None and settlement.how == "replayed":
        outcome = await find_replay_outcome(store, stage, record)
    return RecordedLetter(store, record, settlement, outcome)
