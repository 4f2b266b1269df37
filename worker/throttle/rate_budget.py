"""How many events may this lane take now, and what does it tell the other lanes?

The lane's share of a rate, the bucket that the share fills, and the lane's need, from which its
next share follows. Pure: who calls it reads the clocks and the rows, and writes what is returned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf

from farandole.events.share_row import WHOLE, ShareRow
from farandole.worker.throttle.gcra import Gcra
from farandole.worker.throttle.share_claim import EPOCH, Need, SeenRow, ShareClaim

BUCKET_SECONDS = 1.0
"""What an idle lane's bucket keeps: what its share gives in so many seconds, or in the time in
which the whole rate gives one event. All idle lanes together have no more due than the rate gives
in that time; and a lane that is held up for less, by a slow commit for example, loses nothing."""
BATCH_SECONDS = 0.25
"""A batch takes no more than the share gives in so many seconds, or one event: commits are
smooth. Where a transaction takes longer, the next one takes what its share has given meanwhile."""
PACE_SECONDS = 0.1
"""A lane with many events waits until so many seconds of its share are due: a transaction for each
event would cost more than the events."""
KEPT_SHARE = 0.75
STEADY_SECONDS = 10.0
LONGEST_SECONDS = 60.0
STEADY_EVENTS = 20
"""How fast events come is measured over STEADY_SECONDS, or for longer until STEADY_EVENTS have
come, LONGEST_SECONDS at most. A lane wants KEPT_SHARE of that, and in the same time what has piled
up. Where all are at the limit, that leaves a lane with 2.5 s of its events piled up, or 5 of them:
a lane with none would not use its share to the full, by the chance of their coming."""
_GOLDEN_RATIO = 0.618033988749895
_PACE_MS = 1000  # milliseconds; who waits for less only waits for enough events for a transaction
_ASK_SECONDS = 0.5  # between two looks whether a row is to be written
_REREAD_SECONDS = 1.0  # after so many, the age of rows is looked at again, although none is new
_SOON = 0.05  # seconds after which a lane that waits for its share looks again


class RateBudget:
    """What one lane may take, from its birth to its death. `now` is always seconds of a clock that
    never goes back."""

    def __init__(
        self, name: str, lane: int, birth: str, now: float, last_owner: ShareRow | None
    ) -> None:
        """`name`: that of the lane among those that share the rate; `lane`: its index. `birth`: a
        name that no other birth of a lane has. `last_owner`: the lane's row, as the last owner has
        left it."""
        self._claim = ShareClaim(name, birth, now)
        # No whole event, and not the same part of one in each lane: with many lanes and a low rate
        # all of them would take their events at the same moments.
        phase = -(lane * _GOLDEN_RATIO % 1)
        self._bucket = Gcra(now, phase if last_owner is None else last_owner.credit)
        self._taken = 0.0  # events
        self._come: deque[tuple[int, float, float]] = deque()
        """For each of the last seconds, the time, and how many events had come by then."""
        self._begun = now
        self._came_before = 0.0 if last_owner is None else last_owner.arrivals  # a second
        self._rows: Mapping[str, SeenRow] = {}
        self._read_at = -inf
        self._asked_at = -inf
        self._now = now
        self._took_at: float | None = None
        """When the last batch began; None while the lane is idle."""
        self._rate = 0.0
        self._waiting: int | None = None
        self._throttled_at = 0
        self._has_taken = False  # since the last row

    def update(self, rows: Mapping[str, SeenRow], rate: float, now: float) -> None:
        """Note the rows of the lanes, by lane, and the rate of all lanes together, in events a
        second."""
        if rows is not self._rows or now - self._read_at >= _REREAD_SECONDS:
            self._claim.read(rows, now)
            self._rows, self._read_at = rows, now
        self._fill(self._claim.in_use(now) / WHOLE, rate, now)

    def update_alone(self, part: float, rate: float, now: float) -> None:
        """Note the rate of all lanes together, of which this one has a fixed part, because lanes
        cannot tell each other what they need."""
        self._fill(part, rate, now)

    def _fill(self, part: float, rate: float, now: float) -> None:
        self._rate, self._now = rate, now
        share = part * rate
        depth = max(BUCKET_SECONDS * share, part)
        if self._waiting or not part:
            # A share below one event must still pass its due, also the next owner's.
            depth += 1
        self._bucket.drive(now, share, depth)

    def note_waiting(self, waiting: int) -> None:
        """Note how many events the lane knows of that it has not taken."""
        self._waiting = waiting
        if not waiting:
            self._throttled_at, self._took_at = 0, None

    def allowance(self, pending: int, at: int) -> int:
        """Return how many events may be taken now of those that are at hand, at least one; 0 if
        they have to wait. `at`: the time, in milliseconds of the epoch."""
        share, seconds = self._bucket.rate, BATCH_SECONDS
        if self._took_at is not None:
            # Where a transaction takes longer, the next one takes what has become due meanwhile.
            seconds = max(seconds, min(BUCKET_SECONDS, self._now - self._took_at))
        due = min(self._bucket.due, max(1, int(seconds * share)))
        if due >= self._worthwhile(pending):
            if due >= (self._waiting or 0):
                self._throttled_at = 0
            return due
        self._throttled_at = self._throttled_at or at
        return 0

    def seconds_until_next(self, pending: int) -> float:
        """Return after how many seconds `allowance` is to be asked again; `inf` if only another
        rate can change it."""
        if self._rate <= 0:
            return inf
        wait = self._bucket.seconds_until(self._worthwhile(pending))
        return min(wait, _SOON) if self._claim.is_waiting or self._bucket.rate <= 0 else wait

    def take(self, events: float) -> None:
        """Note that events were taken."""
        self._bucket.take(events)
        self._took_at = self._now
        self._taken += events
        self._has_taken = True

    def row_to_write(self, members: int, now: float, at: int) -> ShareRow | None:
        """Return the row that is to be written now; None if none is. `members`: how many lanes
        share the rate. `at`: the time, in milliseconds of the epoch."""
        if now - self._asked_at < _ASK_SECONDS:
            return None
        self._asked_at = now
        need = Need(self._demand(now), self._rate, members)
        is_scarce = 0 < self._bucket.rate * EPOCH < 1
        claimed = self._claim.row_to_write(
            self._rows, need, now, renew=is_scarce and self._has_taken
        )
        if claimed is None:
            return None
        self._has_taken = False
        row_id, held, wanted = claimed
        return ShareRow(
            id=row_id,
            at=at,
            held=held,
            wanted=wanted,
            demand=need.demand,
            arrivals=self._arrivals(now),
            rate=self._rate,
            credit=max(-0.999, min(0.999, self._bucket.credit)),
            waiting=self._waiting or 0,
            throttled=self._throttled_at if at - self._throttled_at >= _PACE_MS else 0,
        )

    def _worthwhile(self, pending: int) -> int:
        return min(pending, max(1, int(PACE_SECONDS * self._bucket.rate)))

    def _demand(self, now: float) -> float:
        """Return how many events a second the lane could take."""
        if self._waiting is None:
            return self._rate  # nothing is known yet
        arrivals = self._arrivals(now)
        return KEPT_SHARE * arrivals + self._waiting / _steady_seconds(arrivals)

    def _arrivals(self, now: float) -> float:
        """Return how many events a second have come of late."""
        if self._waiting is None:
            return self._came_before
        come, second = self._taken + self._waiting, int(now)
        if not self._come or self._come[-1][0] != second:
            self._come.append((second, now, come))
        while self._come[0][0] < second - LONGEST_SECONDS:
            self._come.popleft()
        # Few events must be counted for long, or chance alone would decide.
        seconds = _steady_seconds(self._come_since(self._come[0], come, now, LONGEST_SECONDS))
        oldest = next(each for each in self._come if each[0] >= second - seconds)
        return self._come_since(oldest, come, now, seconds)

    def _come_since(
        self, oldest: tuple[int, float, float], come: float, now: float, seconds: float
    ) -> float:
        """Return how many events a second have come since then. What is missing of `seconds` was
        as the last owner of the lane has seen it."""
        _, since, come_then = oldest
        before = 0.0 if since > self._begun + 1 else max(0.0, seconds - (now - since))
        return max(
            0.0, (come - come_then + before * self._came_before) / (before + now - since or 1)
        )


def _steady_seconds(arrivals: float) -> float:
    """Return in how many seconds STEADY_EVENTS come, within the limits."""
    return min(LONGEST_SECONDS, max(STEADY_SECONDS, STEADY_EVENTS / max(arrivals, 1e-9)))
