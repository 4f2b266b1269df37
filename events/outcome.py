"""What can become of an event that a stage has consumed, and how is it counted?"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What became of an event. The value is the key in ledger entries, run rows and reports; the
    order of the members is the order there. A new outcome is one more member, also in UNTRIED or
    PENDING if that applies."""

    HANDLED = "handled"
    """The function handled it. It is never written: its count is what the others leave of the
    consumed events."""
    BYPASSED = "bypassed"
    """It went on as it came, because the stage is switched to bypass."""
    DROPPED = "dropped"
    """The function returned nothing although the stage declares outputs."""
    FILTERED = "filtered"
    """The subscription's `when:` did not let it in."""
    DEAD = "dead"
    """The stage gave up on it: it is a dead letter."""
    CANCELLED = "cancelled"
    """Its run is cancelled."""
    PARKED = "parked"
    """It waits in the stage's retry topic."""


RECORDED = tuple(outcome for outcome in Outcome if outcome is not Outcome.HANDLED)
"""The outcomes that are counted and written."""
UNTRIED = frozenset({Outcome.BYPASSED, Outcome.FILTERED, Outcome.CANCELLED})
"""The stage's function was not called."""
PENDING = frozenset({Outcome.PARKED})
"""Consumed, but still in flight."""


class OutcomeCounts(dict[Outcome, int]):
    """How many events had each outcome; one that is missing is 0. Counts may be negative: a parked
    event that is settled is -1 parked. (Not a Counter: its `+=` loses those.)"""

    def __missing__(self, outcome: Outcome) -> int:
        return 0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> OutcomeCounts:
        """Read the counts among other fields of a JSON object; a missing field is 0, as in what
        was written before that outcome existed. Raises ValueError where one is no integer."""
        counts = cls()
        for outcome in RECORDED:
            number = fields.get(outcome.value, 0)
            if type(number) is not int:
                raise ValueError(f"{outcome.value}: {number!r} is no integer")
            if number:
                counts[outcome] = number
        return counts

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """Add `number` to one outcome."""
        self[outcome] = self[outcome] + number

    def add(self, other: Mapping[Outcome, int]) -> None:
        """Add each count of `other`."""
        for outcome, number in other.items():
            self[outcome] = self[outcome] + number

    def nonzero(self) -> dict[str, int]:
        """Return the fields of a ledger entry: the outcomes that occurred, in the enum's order."""
        return {o.value: self[o] for o in RECORDED if self[o]}

    def complete(self) -> dict[str, int]:
        """Return the fields of a run row or a report: all recorded outcomes, in the enum's
        order."""
        return {o.value: self[o] for o in RECORDED}


def handled_count(consumed: int, counts: Mapping[Outcome, int]) -> int:
    """Return the number of consumed events that had no other outcome."""
    return consumed - sum(counts.get(outcome, 0) for outcome in RECORDED)


def pending_count(counts: Mapping[Outcome, int]) -> int:
    """Return the number of consumed events that are still in flight."""
    number = 0
    for outcome in PENDING:  # a loop: the bookkeeper asks for each edge of each run
        number += counts.get(outcome, 0)
    return number
