"""Is it time to log the same message again?"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_TRACKED_MESSAGES = 100
"""Different messages that a throttle remembers. When they are more, it forgets all of them."""


@dataclass(slots=True)
class LogThrottle:
    """Lets each message through at once, and again at the earliest `seconds` later."""

    seconds: float = 10.0
    _last_logged: dict[str, float] = field(default_factory=dict)
    _suppressed: dict[str, int] = field(default_factory=dict)

    def suppressed_since(self, message: str, now: float) -> int | None:
        """Return how often a message was suppressed since it was logged last, if it is to be logged
        now; None if it is not."""
        last = self._last_logged.get(message)
        if last is not None and now - last < self.seconds:
            self._suppressed[message] = self._suppressed.get(message, 0) + 1
            return None
        if len(self._last_logged) >= MAX_TRACKED_MESSAGES:
            self._last_logged.clear()
            self._suppressed.clear()
        self._last_logged[message] = now
        return self._suppressed.pop(message, 0)
