"""Which dead letters are meant, and which of them belong together?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.record import Record
from farandole.events.settlement_record import SettlementKind
from farandole.notifier.dead_letter_view import DeadLetterView

MAX_KINDS = 1_000
"""Of one stage; what exceeds them is one more: anybody may write letters of ever new kinds."""
OTHER_KINDS = "others"


@dataclass(frozen=True, slots=True)
class LetterSelection:
    """Positions, or whatever fits all that is said; of nothing said, `every` letter."""

    places: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """By stage, offsets in its dead-letter topic."""
    stage: str | None = None
    run: str | None = None
    fingerprint: str | None = None
    since: int | None = None
    """Milliseconds of the epoch, as is `until`."""
    until: int | None = None
    every: bool = False

    @property
    def said(self) -> bool:
        """Does it say anything at all?"""
        return bool(self.places) or self.filtered or self.every

    @property
    def filtered(self) -> bool:
        words = (self.stage, self.run, self.fingerprint, self.since, self.until)
        return any(word is not None for word in words)

    def looks_at(self, stage: str) -> bool:
        """Can a letter of that stage be meant?"""
        return stage in self.places if self.places else self.stage in (None, stage)

    def first(self, stage: str) -> int:
        """No letter of that stage at a smaller offset is meant."""
        return min(self.places.get(stage, (0,)))

    def takes(self, letter: DeadLetterView) -> bool:
        if self.places:
            return letter.record.offset in self.places.get(letter.stage, ())
        at = letter.record.timestamp
        return (
            self.stage in (None, letter.stage)
            and self.fingerprint in (None, letter.fingerprint)
            and (self.run is None or self.run == account_field(letter.record, "run"))
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def account_field(record: Record, name: str) -> str:
    """What a letter's account says under a name; empty where it says nothing."""
    wanted = DEAD_HEADER_PREFIX + name
    found = next((value for each, value in record.headers if each == wanted), None)
    return (found or b"").decode(errors="backslashreplace")


@dataclass(slots=True)
class FailureKind:
    """Letters of one stage that have their fingerprint in common."""

    stage: str
    fingerprint: str
    error: str
    title: str
    first: int
    """Milliseconds of the epoch, as is `last`."""
    last: int
    open: int = 0
    replayed: int = 0
    discarded: int = 0


class FailureKinds:
    """Letters as they are read, grouped."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], FailureKind] = {}
        self._kinds: dict[str, int] = {}

    def add(self, letter: DeadLetterView, settled: SettlementKind | None) -> None:
        """One more letter; `settled`: what became of it, None while it is open."""
        stage, at = letter.stage, letter.record.timestamp
        key = stage, letter.fingerprint
        if key not in self._groups and self._kinds.get(stage, 0) >= MAX_KINDS:
            key = stage, OTHER_KINDS
        group = self._groups.get(key)
        if group is None:
            self._kinds[stage] = self._kinds.get(stage, 0) + 1
            other = key[1] == OTHER_KINDS
            error = "various" if other else letter.error
            title = "failures of many other kinds" if other else letter.title
            group = self._groups[key] = FailureKind(*key, error, title, at, at)
        group.first, group.last = min(group.first, at), max(group.last, at)
        if settled is None:
            group.open += 1
        elif settled == "replayed":
            group.replayed += 1
        else:
            group.discarded += 1

    def newest_first(self) -> list[FailureKind]:
        return sorted(self._groups.values(), key=lambda g: (g.open == 0, -g.last))
