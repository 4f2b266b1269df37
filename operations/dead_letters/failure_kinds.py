"""Which kinds of dead letters are there, and how many of each kind are open?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from farandole.events.record_time import to_milliseconds
from farandole.events.safe_text import single_line
from farandole.events.settlement_record import SettlementKind
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import LetterSelection

MAX_KINDS = 1_000
"""Kinds of one stage that are counted apart. All further ones are counted as one more kind, since
anybody may write letters of ever new kinds."""
OTHER_KINDS = "others"


@dataclass(slots=True)
class FailureKind:
    """The dead letters of one stage that have one fingerprint."""

    stage: str
    fingerprint: str
    error: str
    title: str
    first: int
    """Milliseconds of the epoch, as is `last`."""
    last: int
    newest: int
    """The offset of the newest open letter; of the newest at all if none is open."""
    open: int = 0
    replayed: int = 0
    discarded: int = 0

    @property
    def letter(self) -> str:
        """The name of the letter at `newest`, as commands take it: `validate/17`."""
        return f"{self.stage}/{self.newest}"

    def to_data(self) -> dict[str, Any]:
        """Return the kind as JSON data."""
        return {
            "stage": self.stage,
            "fingerprint": self.fingerprint,
            "error": single_line(self.error),
            "title": single_line(self.title),
            "open": self.open,
            "replayed": self.replayed,
            "discarded": self.discarded,
            "first": self.first,
            "last": self.last,
            "letter": self.letter,
        }


class FailureKinds:
    """Counts letters by their kind."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], FailureKind] = {}
        self._kinds_of_stage: dict[str, int] = {}

    def add(self, letter: DeadLetterView, settled: SettlementKind | None) -> None:
        """Count a letter; `settled` is None while the letter is open."""
        stage, at = letter.stage, to_milliseconds(letter.time)
        offset = letter.record.offset
        key = stage, letter.fingerprint
        if key not in self._kinds and self._kinds_of_stage.get(stage, 0) >= MAX_KINDS:
            key = stage, OTHER_KINDS
        kind = self._kinds.get(key)
        if kind is None:
            self._kinds_of_stage[stage] = self._kinds_of_stage.get(stage, 0) + 1
            other = key[1] == OTHER_KINDS
            error = "various" if other else letter.error
            title = "failures of many other kinds" if other else letter.title
            kind = self._kinds[key] = FailureKind(*key, error, title, at, at, offset)
        kind.first, kind.last = min(kind.first, at), max(kind.last, at)
        if settled is None or not kind.open:
            kind.newest = offset  # letters come in their order
        if settled is None:
            kind.open += 1
        elif settled == "replayed":
            kind.replayed += 1
        else:
            kind.discarded += 1

    def newest_first(self) -> list[FailureKind]:
        """Return the kinds, the one with the newest letter first; kinds without an open letter come
        last."""
        return sorted(self._kinds.values(), key=lambda kind: (kind.open == 0, -kind.last))


async def list_failure_kinds(
    store: DeadLetterStore, stages: Iterable[str], selection: LetterSelection
) -> list[FailureKind]:
    """Return the kinds of the selected letters, the one with the newest letter first; kinds without
    an open letter come last. Raises BrokerError."""
    kinds = FailureKinds()
    for stage in stages:
        settlements = await store.settlements(stage)
        async for letter in store.letters(stage, selection):
            settlement = settlements.get(letter.record.offset)
            kinds.add(letter, settlement.how if settlement else None)
    return kinds.newest_first()
