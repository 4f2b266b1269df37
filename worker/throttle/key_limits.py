"""When may the next event with this key be handled?

Each key has a bucket of its own: GCRA (ATM Forum) by virtual scheduling, on the clock by which
parked events come due. A key belongs to one lane, so lanes need not share anything. What is above
the rate waits in the retry topic until it is due, so the keys beside it go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from farandole.events.rate import Rate

BURST_SECONDS = 1.0
"""A key that was not seen for long may have as many events at once as its rate gives in so many
seconds, or one."""
MAX_KEYS = 10_000
"""Keys that a lane remembers. At this number it forgets those whose bucket is full again, and if
there are none, the half that it has known for longest: these begin with a full bucket."""

KeyName = tuple[str, bytes | int]


class _Bucket(NamedTuple):
    full_at: float
    """When all that has passed is made up for, in seconds of the epoch."""
    offset: int
    """The last event that was charged."""


class KeyLimits:
    """The buckets of the keys of one lane. `clock` returns seconds of the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[KeyName, _Bucket] = {}
        self._seconds = 0.0
        """Between two events of a key; 0 for no limit."""
        self._ahead = 0.0
        """How many seconds a key may be ahead of its rate."""

    @property
    def are_in_force(self) -> bool:
        """True if there is a rate for each key."""
        return self._seconds > 0

    def set_rate(self, rate: Rate | None) -> None:
        """Go on with this rate; None for no limit."""
        seconds = 0.0 if rate is None or rate.per_second <= 0 else 1 / rate.per_second
        if seconds != self._seconds:
            self._seconds = seconds
            self._ahead = max(0.0, BURST_SECONDS - seconds)
            self._buckets.clear()

    def is_over(self, key: KeyName, offset: int) -> bool:
        """Return True if the event of the key at this offset has to wait; otherwise charge it. An
        event that was charged before passes."""
        if not self._seconds or isinstance(key[1], int):
            return False  # without a key
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is not None and offset <= bucket.offset:
            return False
        full_at = now if bucket is None else max(now, bucket.full_at)
        if full_at - now > self._ahead + 1e-9:
            return True
        self._put(key, _Bucket(full_at + self._seconds, offset), now)
        return False

    def reserve(self, key: KeyName, offset: int, last_due: float) -> float:
        """Charge an event that waits, and return when it is due, in seconds of the epoch;
        `last_due`: when the last event of its key is due that waits already, 0 if none does."""
        now = self._clock()
        if not self._seconds or isinstance(key[1], int):
            return now
        bucket = self._buckets.get(key)
        full_at = now if bucket is None else max(now, bucket.full_at)
        if last_due > now:  # also after a take-over, when the bucket is unknown
            full_at = max(full_at, last_due + self._seconds + self._ahead)
        self._put(key, _Bucket(full_at + self._seconds, offset), now)
        return max(now, full_at - self._ahead)

    def _put(self, key: KeyName, bucket: _Bucket, now: float) -> None:
        if key not in self._buckets and len(self._buckets) >= MAX_KEYS:
            kept = {name: each for name, each in self._buckets.items() if each.full_at > now}
            if len(kept) >= MAX_KEYS:
                kept = dict(list(kept.items())[MAX_KEYS // 2 :])
            self._buckets = kept
        self._buckets.pop(key, None)
        self._buckets[key] = bucket
