"""May a lane act on the present time, or can older records still be unread?"""

from __future__ import annotations


class QuietClock:
    """Judges whether everything up to now has been read.

    A lane's inputs are several partitions, which are read in no common order. A record that is
    older than `old_ms` shows that a backlog is being read; once none was seen for `quiet_ms`,
    everything older than that is taken to be read. Younger records do not count: they never cease
    to come while stages are at work.
    """

    def __init__(self, quiet_ms: float, old_ms: float) -> None:
        """It begins again if `observe` was not called for `old_ms`: the process or its connection
        was suspended, and what was written meanwhile is unread."""
        self._quiet_ms = quiet_ms
        self._old_ms = old_ms
        self._quiet_since: float | None = None
        self._last_observed = 0.0

    def restart(self) -> None:
        """Forget what was observed: the lane reads from its committed position again."""
        self._quiet_since = None

    def old_before(self, now: float) -> float:
        """Return the time before which a record counts as old, in milliseconds of the epoch."""
        return now - self._old_ms

    def observe(self, now: float, *, saw_old: bool = False) -> bool:
        """Return True if no record from before `now` is expected any more.

        `saw_old`: an old record was read since the last call, or some are known to be unread.
        `now` is in milliseconds of the epoch.
        """
        was_suspended = now - self._last_observed > self._old_ms
        self._last_observed = now
        if saw_old:
            self._quiet_since = None
            return False
        if was_suspended or self._quiet_since is None:
            self._quiet_since = now
        return now - self._quiet_since >= self._quiet_ms
