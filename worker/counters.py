"""How many events were settled, and how?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    consumed: int = 0
    emitted: int = 0
    dropped: int = 0
    filtered: int = 0
    """Not handled, by the `when:` of the subscription."""
    dead: int = 0
    cancelled: int = 0
    """Not handled, because their run is cancelled."""
    forwarded: int = 0
    """Roots that stood in the wrong partition."""
    parked: int = 0
    """Not settled yet: they wait."""

    def add(self, other: Counters) -> None:
        self.consumed += other.consumed
        self.emitted += other.emitted
        self.dropped += other.dropped
        self.filtered += other.filtered
        self.dead += other.dead
        self.cancelled += other.cancelled
        self.forwarded += other.forwarded
        self.parked += other.parked
