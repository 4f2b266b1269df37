"""Is a process that has ended started again, and when?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.broker.backoff import Backoff

EXIT_TEMPORARY = 75  # EX_TEMPFAIL of sysexits.h: it ended because something outside of it is away
QUARANTINE_AFTER = 8  # crashes in a row without one settled event
MAX_RESTART_WAIT = 10.0  # seconds
STABLE_SECONDS = 300.0  # a process that ran this long has its earlier crashes forgotten


@dataclass(slots=True)
class RestartPolicy:
    """Counts the crashes of one process and decides when it is started again."""

    crashes: int = 0
    """In a row, without progress between them."""
    temporary_exits: int = 0
    """In a row: the process ended by itself, because something outside of it was away."""

    def record_progress(self) -> None:
        """Forget earlier ends: the process has settled an event since it was started."""
        self.crashes = 0
        self.temporary_exits = 0

    def restart_delay(self, exit_code: int, lifetime: float = 0.0) -> float | None:
        """Return the seconds to wait before the next start, or None if the process is not started
        again (quarantine). `lifetime` is how many seconds it ran."""
        if lifetime >= STABLE_SECONDS:
            self.record_progress()
        if exit_code == EXIT_TEMPORARY:
            self.temporary_exits += 1
            return Backoff(1.0, MAX_RESTART_WAIT).longest_delay(self.temporary_exits)
        self.crashes += 1
        if self.crashes >= QUARANTINE_AFTER:
            return None
        return Backoff(0.1, MAX_RESTART_WAIT).longest_delay(self.crashes)
