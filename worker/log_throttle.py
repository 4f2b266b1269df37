"""Is it time to say the same thing again?"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_TRACKED_MESSAGES = 100  # different things; beyond, all is forgotten


@dataclass(slots=True)
class LogThrottle:
    """Says each thing at once, and again at the earliest `seconds` later."""

    seconds: float = 10.0
    _said: dict[str, float] = field(default_factory=dict)
    _unsaid: dict[str, int] = field(default_factory=dict)

    def due(self, thing: str, now: float) -> int | None:
        """How often it was left unsaid since the last time, if it is to be said now; else None."""
        last = self._said.get(thing)
        if last is not None and now - last < self.seconds:
            self._unsaid[thing] = self._unsaid.get(thing, 0) + 1
            return None
        if len(self._said) >= MAX_TRACKED_MESSAGES:
            self._said.clear()
            self._unsaid.clear()
        self._said[thing] = now
        return self._unsaid.pop(thing, 0)
