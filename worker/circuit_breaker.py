"""Is what the stage depends on down, and when is that probed again?

A circuit breaker (Nygard, Release It!) over the share of tries that failed in a sliding window.
While it is open, single tries are probes: in turn an event that has waited and one of the input, so
that neither can hide that the other would succeed.
"""

from __future__ import annotations

from collections import deque

from farandole.events.topology_version import BreakerPolicy


class CircuitBreaker:
    """The breaker of one lane. Times are seconds of any one clock."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self.reset()

    def reset(self, closed_at: float = 0.0) -> None:
        """Close it, and forget every try."""
        self._buckets: deque[list[float]] = deque()  # second, tries, failures
        self.last_success = 0.0
        """When a try succeeded last; 0 if none has."""
        self.failures_in_a_row = 0
        """How many tries have failed since then."""
        self.is_open = False
        self.closed_at = closed_at
        """When it closed last: an event that waited before then has waited for the dependency."""
        self.probe_input_next = False
        """While it is open: the next probe is an event of the input, not one that has waited."""
        self.probe_at = 0.0
        """While it is open: when the next probe may be made."""
        self._probe_interval = self._policy.probe

    def record_attempts(self, now: float, tries: int, failures: int = 0) -> None:
        """Count tries, of which `failures` failed; open or close accordingly."""
        if failures:
            self.failures_in_a_row += failures
        else:
            self.last_success, self.failures_in_a_row = now, 0
        if self.is_open:
            self._record_probe(now, failed=failures >= tries)
            return
        if not self._buckets or now - self._buckets[-1][0] >= 1:
            self._buckets.append([now, 0, 0])
        self._buckets[-1][1] += tries
        self._buckets[-1][2] += failures
        while now - self._buckets[0][0] > self._policy.window:
            self._buckets.popleft()
        if not failures:
            return
        tried = sum(bucket[1] for bucket in self._buckets)
        failed = sum(bucket[2] for bucket in self._buckets)
        if failed >= self._policy.failures and failed >= self._policy.share * tried:
            self.open(now)

    def open(self, now: float) -> None:
        """Open it; the first probe is due one probe interval later."""
        self.is_open = True
        self._probe_interval = self._policy.probe
        self.probe_at = now + self._probe_interval

    def close(self, now: float) -> None:
        """Close it, and forget the tries that opened it."""
        self.is_open = self.probe_input_next = False
        self.closed_at = now
        self._buckets.clear()

    def is_probe_due(self, now: float) -> bool:
        """Return True if it is open, and one try may be made."""
        return self.is_open and not self.is_blocking(now)

    def is_blocking(self, now: float) -> bool:
        """Return True if it is open, and no try may be made."""
        # A clock may be set back: then the probe is made at once, not an hour later.
        return self.is_open and self.probe_at - self._probe_interval <= now < self.probe_at

    def _record_probe(self, now: float, *, failed: bool) -> None:
        if failed:
            self.probe_input_next = not self.probe_input_next
            self._probe_interval = min(self._policy.longest, self._probe_interval * 2)
            self.probe_at = now + self._probe_interval
        else:
            self.close(now)
