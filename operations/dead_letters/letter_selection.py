"""Which dead letters does a request select?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.record import Record
from farandole.events.record_time import to_milliseconds
from farandole.notifier.dead_letter_view import DeadLetterView

_MAX_NAMED = 5  # letters


@dataclass(frozen=True, slots=True)
class LetterSelection:
    """Selects letters by position, or by filters that a letter must all match. With neither, every
    letter is selected; a caller who wants this sets `all_letters`, so that it never happens by
    mistake."""

    positions: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Offsets in the dead-letter topics, by stage."""
    stage: str | None = None
    run: str | None = None
    fingerprint: str | None = None
    since: int | None = None
    """Milliseconds of the epoch, as is `until`."""
    until: int | None = None
    all_letters: bool = False
    through: Mapping[str, int] | None = None
    """By stage: the last offset that is selected, and no stage that it does not name. What dies
    later does not change such a selection. None for no limit."""

    @property
    def is_given(self) -> bool:
        """True if the request selects anything: positions, a filter, or explicitly every letter."""
        return bool(self.positions) or self.has_filters or self.all_letters

    @property
    def has_filters(self) -> bool:
        """True if at least one filter is set."""
        filters = (self.stage, self.run, self.fingerprint, self.since, self.until)
        return any(value is not None for value in filters)

    @property
    def named_stages(self) -> tuple[str, ...]:
        """The stages that the request names; they may not exist."""
        return (*self.positions, *([self.stage] if self.stage else ()))

    @property
    def target(self) -> str:
        """What is selected, in short: for people to read."""
        named = [f"{stage}/{offset}" for stage, of in self.positions.items() for offset in of]
        if named:
            return ", ".join(named[:_MAX_NAMED]) + (
                f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
            )
        filters = {"run": self.run, "kind": self.fingerprint}
        return " ".join(
            [self.stage or "every stage", *(f"{k} {v}" for k, v in filters.items() if v)]
        )

    def may_include_stage(self, stage: str) -> bool:
        """Return True if a letter of this stage can be selected."""
        if self.through is not None and stage not in self.through:
            return False
        return stage in self.positions if self.positions else self.stage in (None, stage)

    def first_offset(self, stage: str) -> int:
        """Return an offset below which no letter of this stage is selected."""
        return min(self.positions.get(stage, (0,)))

    def matches(self, letter: DeadLetterView) -> bool:
        """Return True if the letter is selected."""
        if self.through is not None and letter.record.offset > self.through.get(letter.stage, -1):
            return False
        if self.positions:
            return letter.record.offset in self.positions.get(letter.stage, ())
        at = to_milliseconds(letter.time)
        return (
            self.stage in (None, letter.stage)
            and self.fingerprint in (None, letter.fingerprint)
            and (self.run is None or self.run == account_field(letter.record, "run"))
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def account_field(record: Record, name: str) -> str:
    """Return a field of the letter's failure account (`dead_{name}`); empty if it is absent."""
    header = DEAD_HEADER_PREFIX + name
    found = next((value for each, value in record.headers if each == header), None)
    return (found or b"").decode(errors="backslashreplace")
