"""How long does a caller wait before it tries again, and which of its failures does it log?"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""

    first: float
    """Seconds after the first failure; each later wait is twice as long."""
    longest: float
    """Seconds that no wait exceeds."""
    jitter: float = 0.0
    """The share of a wait that is random, from 0 to 1."""

    def longest_delay(self, failures: int) -> float:
        """Return the seconds to wait after `failures` failures in a row, without jitter.
        After 0 failures it is half of `first`."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 60))

    def delay(self, failures: int, chance: Callable[[], float] = random.random) -> float:
        """Return the seconds to wait after `failures` failures in a row. `chance` returns a
        random number from 0 to 1."""
        return self.longest_delay(failures) * (1 - self.jitter * (1 - chance()))


def is_logged(failures: int) -> bool:
    """Return True for the first failure in a row, the 2nd, 4th, 8th, …: what lasts for days must
    not fill a log."""
    return failures & (failures - 1) == 0
