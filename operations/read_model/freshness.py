"""How old is what the read model knows?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from aiokafka import TopicPartition

from farandole.broker.awake_clock import AwakeClock
from farandole.operations.results import Result

STALE_SECONDS = 5.0
"""From this age on the data are called stale."""
LONGEST_AWAY = 12 * 3600.0
"""Seconds without an answer after which everything is read anew: tombstones live for 24 hours, and
who has missed one would keep a row that was deleted."""


class Staleness(Result):
    """How old the data are. Times are in milliseconds of the epoch, by this machine's clock."""

    current: int | None
    """The data contain everything that could be read then; None if nothing was read yet."""
    seconds: float
    """How long ago that was. A machine that was suspended meanwhile does not count that time."""
    answered: int | None
    """When Kafka has answered last; None if it has not."""
    unanswered_seconds: float
    """How long ago that was."""
    is_stale: bool


class Freshness:
    """Compares the ends of the log, at the times when they were asked for, with what was read."""

    def __init__(
        self,
        clock: AwakeClock | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wall` returns seconds of the epoch, `monotonic` seconds that only go on."""
        self._clock = clock or AwakeClock(longest_round=5.0)
        self._wall = wall
        self._monotonic = monotonic
        self._began = self._clock.now()
        self._current: tuple[float, float] | None = None
        self._answered: tuple[float, float] | None = None
        self._asked: tuple[float, float] | None = None
        self._ends: Mapping[TopicPartition, int] = {}
        self._monotonic_answer = self._monotonic()

    def answer(self, asked: float, wall: float, ends: Mapping[TopicPartition, int]) -> None:
        """Take the ends that were asked for at these times of `now`."""
        self._answered = asked, wall
        self._monotonic_answer = self._monotonic()
        if self._asked is None:
            self._asked, self._ends = (asked, wall), ends

    def now(self) -> tuple[float, float]:
        """Return the time by the clock that stands still while this process is away, and by that of
        the machine. Call it at least every few seconds."""
        return self._clock.now(), self._wall()

    def reach(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take up to where was read. A partition that is no longer read is waited for no more."""
        if self._asked is not None and all(
            positions.get(tp, end) >= end for tp, end in self._ends.items()
        ):
            self._current, self._asked = self._asked, None

    def was_away(self, wall: float) -> bool:
        """Return True if there was no answer for LONGEST_AWAY before this time."""
        if self._answered is None:
            return False
        awake = self._monotonic() - self._monotonic_answer
        return max(wall - self._answered[1], awake) > LONGEST_AWAY

    def begin_anew(self) -> None:
        """Everything will be read anew."""
        self._current = self._asked = None

    def staleness(self) -> Staleness:
        """Return how old the data are now."""
        now, _ = self.now()
        since = self._current[0] if self._current else self._began
        answered = self._answered[0] if self._answered else self._began
        return Staleness(
            current=_milliseconds(self._current),
            seconds=round(now - since, 1),
            answered=_milliseconds(self._answered),
            unanswered_seconds=round(now - answered, 1),
            is_stale=now - since > STALE_SECONDS,
        )


def _milliseconds(at: tuple[float, float] | None) -> int | None:
    return None if at is None else round(at[1] * 1000)
