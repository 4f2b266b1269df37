"""How much time has passed in which this process could notice anything?"""

from __future__ import annotations

import time
from collections.abc import Callable


class AwakeClock:
    """A clock that stands still while its process is frozen or its machine suspended.

    Whoever judges that another one has been silent for too long reads this clock in every round of
    its loop. If a round comes late by more than `longest_round`, the process itself was away, and
    the rest does not count: the others may have been as well, and what they said is still unread.
    """

    def __init__(
        self, longest_round: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`longest_round` is in seconds. `monotonic` returns seconds that only go on."""
        self._longest_round = longest_round
        self._monotonic = monotonic
        self._read_at = monotonic()
        self._awake = self._read_at

    def now(self) -> float:
        """Return the seconds since any time, without those in which the process was away."""
        at = self._monotonic()
        self._awake += min(at - self._read_at, self._longest_round)
        self._read_at = at
        return self._awake
