"""How many events may pass now, at a rate that changes?

The Generic Cell Rate Algorithm (ATM Forum, Traffic Management 4.0; ITU-T I.371) as its
continuous-state leaky bucket, on a driven clock: what passes is measured in events that are *due*,
and the clock of the due events runs as fast as the rate says.
"""

from __future__ import annotations

from math import inf


class Gcra:
    """The bucket of one lane or one key. Times are seconds of a clock that never goes back."""

    __slots__ = ("_driven_to", "credit", "rate")

    def __init__(self, now: float, credit: float = 0.0) -> None:
        """`credit`: the events that are due at the start; 0 for an empty bucket."""
        self.rate = 0.0
        """Events a second, now."""
        self.credit = credit
        """The events that are due; below 0 if more have passed, for example lines of one frame."""
        self._driven_to = now

    def drive(self, now: float, rate: float, depth: float) -> None:
        """Let the clock run to `now` at the rate that was valid so far; it runs at `rate` from now
        on. `depth`: how many events may be due at most."""
        elapsed = max(0.0, now - self._driven_to)
        self._driven_to = now
        self.credit = min(self.credit + elapsed * self.rate, depth)
        self.rate = rate

    @property
    def due(self) -> int:
        """How many whole events may pass now; 0 at the rate 0."""
        # A sum of many small steps may miss a whole number by a hair.
        return max(0, int(self.credit + 1e-9)) if self.rate > 0 else 0

    def take(self, events: float) -> None:
        """Let events pass; more than `due` must wait for them later."""
        self.credit -= events

    def seconds_until(self, events: float) -> float:
        """Return in how many seconds so many events are due; `inf` at the rate 0."""
        missing = events - self.credit
        if missing <= 0:
            return 0.0
        return missing / self.rate if self.rate > 0 else inf
