"""How many dead letters cannot be replayed, by reason?"""

from __future__ import annotations

from collections import Counter

from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.operations.results import Result

MAX_REASONS = 50
"""The number of reasons that are counted separately. Anybody may write letters with new reasons."""
_OTHER = Reason("other_reasons")


class Refusal(Result):
    """Letters that cannot be replayed for the same reason."""

    reason: Reason
    count: int
    text: str
    """The reason as a sentence."""


class Refusals:
    """Counts letters that cannot be replayed."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, Reason] = {}

    def add(self, reason: Reason, count: int = 1) -> None:
        """Count letters with this reason."""
        text = reason_text(reason)
        if text not in self._counts and len(self._counts) >= MAX_REASONS:
            reason, text = _OTHER, reason_text(_OTHER)
        self._counts[text] += count
        self._reasons.setdefault(text, reason)

    def add_all(self, others: Refusals) -> None:
        """Add the counts of another object."""
        for refusal in others.most_common():
            self.add(refusal.reason, refusal.count)

    def total(self) -> int:
        """Return the number of letters."""
        return self._counts.total()

    def most_common(self) -> list[Refusal]:
        """Return the counts, the largest first."""
        return [
            Refusal(reason=self._reasons[text], count=count, text=text)
            for text, count in self._counts.most_common()
        ]
