"""How old are the data said to be?"""

from __future__ import annotations

from aiokafka import TopicPartition

from farandole.broker.awake_clock import AwakeClock
from farandole.operations.read_model.freshness import LONGEST_AWAY, STALE_SECONDS, Freshness

RUNS = TopicPartition("runs", 0)


class Clock:
    """Time that the test lets pass."""

    def __init__(self) -> None:
        self.awake = 0.0
        self.wall = 1_000_000.0

    def sleep(self, seconds: float) -> None:
        self.awake += seconds
        self.wall += seconds

    def freshness(self) -> Freshness:
        awake = AwakeClock(longest_round=1e9, monotonic=lambda: self.awake)
        return Freshness(awake, lambda: self.wall, lambda: self.awake)


def answered(freshness: Freshness, end: int) -> None:
    asked, wall = freshness.now()
    freshness.answer(asked, wall, {RUNS: end})


def test_data_are_as_new_as_the_last_end_that_was_reached() -> None:
    clock = Clock()
    freshness = clock.freshness()
    answered(freshness, 10)
    freshness.reach({RUNS: 9})
    assert freshness.staleness().current is None
    clock.sleep(2)
    freshness.reach({RUNS: 10})
    assert freshness.staleness().current == 1_000_000_000
    assert freshness.staleness().seconds == 2


def test_a_reader_that_is_behind_stays_as_old_as_it_is_while_kafka_answers() -> None:
    clock = Clock()
    freshness = clock.freshness()
    for end in range(10, 20):
        answered(freshness, end)
        clock.sleep(1)
    staleness = freshness.staleness()
    assert (staleness.is_stale, staleness.unanswered_seconds) == (True, 1)
    freshness.reach({RUNS: 10})
    assert freshness.staleness().seconds == 10


def test_without_an_answer_the_data_become_stale_and_with_one_they_are_current() -> None:
    clock = Clock()
    freshness = clock.freshness()
    answered(freshness, 10)
    freshness.reach({RUNS: 10})
    clock.sleep(STALE_SECONDS)
    assert not freshness.staleness().is_stale
    clock.sleep(1)
    assert freshness.staleness().is_stale
    answered(freshness, 10)
    freshness.reach({RUNS: 10})
    assert not freshness.staleness().is_stale


def test_a_partition_that_is_gone_is_waited_for_no_more() -> None:
    clock = Clock()
    freshness = clock.freshness()
    answered(freshness, 10)
    freshness.reach({})
    assert freshness.staleness().current is not None


def test_whoever_was_away_for_half_a_day_must_read_anew() -> None:
    clock = Clock()
    freshness = clock.freshness()
    answered(freshness, 10)
    clock.sleep(LONGEST_AWAY - 1)
    assert not freshness.was_away(clock.wall)
    clock.wall += 2  # the machine was suspended
    assert freshness.was_away(clock.wall)
