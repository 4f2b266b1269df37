"""How many calls of a dependency may this process let pass now, and what does it tell the others?

Pure: who calls it reads the clocks and the rows of the other processes, and writes what is
returned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import exp

from farandole.events.share_row import WHOLE, ShareRow
from farandole.worker.throttle.gcra import Gcra
from farandole.worker.throttle.share_claim import Need, SeenRow, ShareClaim

BUCKET_SECONDS = 1.0
"""While nobody calls, the bucket of a process keeps what its share gives in so many seconds."""
_MEASURED_SECONDS = 10


class LimitBudget:
    """The calls that one process may let pass for one limit. `now` is always seconds of a clock
    that never goes back."""

    def __init__(self, now: float, member: str | None = None) -> None:
        """`member`: a name that no other process has, and no other start of this one; None if
        nobody shares the limit."""
        self._claim = None if member is None else ShareClaim(member, member, now)
        self._bucket = Gcra(now)
        self._began = now
        self._passed: deque[tuple[int, int]] = deque()  # second, calls
        self._scarcity = 0.0  # the part of the last seconds in which calls had to wait
        self._updated_at = now
        self._waits_since = 0  # in milliseconds of the epoch
        self._rows: Mapping[str, SeenRow] = {}
        self._rate = 0.0

    def update(
        self, rate: float, waiting: int, now: float, rows: Mapping[str, SeenRow] | None = None
    ) -> None:
        """Note the rate of all processes together, in calls a second, how many calls wait here, and
        the rows of all processes by member."""
        self._rate = rate
        self._rows = rows or {}
        part = 1.0
        if self._claim is not None:
            self._claim.read(self._rows, now)
            part = self._claim.in_use(now) / WHOLE
        share = part * rate
        # A share below one call must still pass its due.
        self._bucket.drive(now, share, max(BUCKET_SECONDS * share, 1.0))
        kept = exp((self._updated_at - now) / _MEASURED_SECONDS)
        self._scarcity = self._scarcity * kept + (1 - kept) * bool(waiting)
        self._updated_at = now

    def take(self, now: float) -> bool:
        """Let one call pass; return False if it has to wait."""
        if not self._bucket.due:
            return False
        self._bucket.take(1)
        second = int(now)
        calls = self._passed.pop()[1] if self._passed and self._passed[-1][0] == second else 0
        self._passed.append((second, calls + 1))
        return True

    def seconds_until(self, calls: int) -> float:
        """Return in how many seconds so many calls may pass; `inf` if only another rate, or another
        share, changes it."""
        return self._bucket.seconds_until(calls)

    @property
    def is_settling(self) -> bool:
        """True while the share may change within a moment: the newest row is not read back yet."""
        return self._claim is not None and self._claim.is_waiting

    def row_to_write(self, waiting: int, now: float, at: int) -> ShareRow | None:
        """Return the row that is to be written now; None if none is. `at`: the time, in
        milliseconds of the epoch."""
        if self._claim is None:
            return None
        self._waits_since = (self._waits_since or at) if waiting else 0
        # How many there are shows when they write: none is waited for.
        need = Need(self._demand(now), self._rate, members=1)
        claimed = self._claim.row_to_write(self._rows, need, now)
        if claimed is None:
            return None
        row_id, held, wanted = claimed
        return ShareRow(
            id=row_id, at=at, held=held, wanted=wanted, demand=need.demand, rate=self._rate,
            waiting=waiting, throttled=self._waits_since,
        )  # fmt: skip

    def _demand(self, now: float) -> float:
        """Return how many calls a second the process could use. Where calls always have to wait,
        nobody knows how many more there would be: it could use the whole rate."""
        while self._passed and self._passed[0][0] < int(now) - _MEASURED_SECONDS:
            self._passed.popleft()
        seconds = min(_MEASURED_SECONDS, max(1.0, now - self._began))
        passed = sum(calls for _, calls in self._passed) / seconds
        return passed + self._rate * self._scarcity**2
