"""How many events has a stage settled in this process, and with which outcomes?"""

from __future__ import annotations

from dataclasses import dataclass, field

from farandole.events.outcome import OutcomeCounts


@dataclass(slots=True)
class Counters:
    """The counts of one transaction, or of all transactions of a stage in this process."""

    consumed: int = 0
    emitted: int = 0
    forwarded: int = 0
    """Roots that stood in the wrong partition and were sent to the one of their key."""
    outcomes: OutcomeCounts = field(default_factory=OutcomeCounts)
    """What became of the consumed events. PARKED counts the events that began to wait."""

    def add(self, other: Counters) -> None:
        """Add each count of `other`."""
        self.consumed += other.consumed
        self.emitted += other.emitted
        self.forwarded += other.forwarded
        self.outcomes.add(other.outcomes)
