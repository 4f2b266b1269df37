"""Is what the stage depends on down, and when is that looked at again?

A circuit breaker (Nygard, Release It!) over the share of tries that failed in a sliding window.
While it is open, single tries are probes: an event that has waited and one of the input in turn, so
that neither can hide that the other one would succeed.
"""

from __future__ import annotations

from collections import deque

from farandole.broker.backoff import Backoff
from farandole.events.topology_version import BreakerPolicy as Policy


class CircuitBreaker:
    """Times are seconds of any one clock."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._backoff = Backoff(policy.probe, policy.longest)
        self.begin()

    def begin(self, closed_at: float = 0.0) -> None:
        """Closed, and nothing was tried since."""
        self._buckets: deque[list[float]] = deque()  # second, tries, failures
        self.open = False
        self.closed_at = closed_at
        """When it was closed last: what waited before has waited for the dependency."""
        self.input_next = False
        """While open: is the next probe to be of the input?"""
        self._probe_at = 0.0
        self._failed_probes = 0
        self._pause = self._policy.probe

    def tried(self, now: float, tries: int, failures: int = 0) -> None:
        """So many more tries, of which so many failed."""
        if self.open:
            self._probed(now, failed=failures >= tries)
            return
        if not self._buckets or now - self._buckets[-1][0] >= 1:
            self._buckets.append([now, 0, 0])
        self._buckets[-1][1] += tries
        self._buckets[-1][2] += failures
        while now - self._buckets[0][0] > self._policy.window:
            self._buckets.popleft()
        if not failures:
            return
        of_all = sum(bucket[1] for bucket in self._buckets)
        failed = sum(bucket[2] for bucket in self._buckets)
        if failed >= self._policy.failures and failed >= self._policy.share * of_all:
            self.opened(now)

    def opened(self, now: float) -> None:
        """Hold, and look again after a while."""
        self.open = True
        self._failed_probes = 0
        self._pause = self._policy.probe
        self._probe_at = now + self._pause

    def probing(self, now: float) -> bool:
        """Is a probe due?"""
        return self.open and not self.resting(now)

    def resting(self, now: float) -> bool:
        """Is nothing to be tried now?"""
        # A clock may be set back: then it is tried at once, and not in an hour.
        return self.open and self._probe_at - self._pause <= now < self._probe_at

    def _probed(self, now: float, *, failed: bool) -> None:
        if failed:
            self.input_next = not self.input_next
            self._failed_probes += 1
            self._pause = self._backoff.longest_delay(self._failed_probes + 1)
            self._probe_at = now + self._pause
        else:
            self.open = self.input_next = False
            self.closed_at = now
            self._buckets.clear()
