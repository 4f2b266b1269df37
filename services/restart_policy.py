"""A process has ended: start it again, when, or not at all?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.broker.backoff import Backoff

EXIT_TEMPORARY = 75  # EX_TEMPFAIL of sysexits.h: it ended because something outside of it is away
QUARANTINE_AFTER = 8  # crashes in a row without one settled event
MAX_RESTART_WAIT = 10.0  # seconds
STABLE_SECONDS = (
    300.0  # seconds: who lived for so long begins a new row, whether it settles events or not
)


@dataclass(slots=True)
class RestartPolicy:
    """The crashes of one process, in a row."""

    crashes: int = 0
    away: int = 0

    def progressed(self) -> None:
        """It settled an event since it was started: whatever killed it before is behind it."""
        self.crashes = 0
        self.away = 0

    def ended(self, code: int, lived: float = 0.0) -> float | None:
        """Seconds to wait before the next start; None: quarantine. `lived`: seconds."""
        if lived >= STABLE_SECONDS:
            self.progressed()
        if code == EXIT_TEMPORARY:
            self.away += 1
            return Backoff(1.0, MAX_RESTART_WAIT).longest_delay(self.away)
        self.crashes += 1
        if self.crashes >= QUARANTINE_AFTER:
            return None
        return Backoff(0.1, MAX_RESTART_WAIT).longest_delay(self.crashes)
