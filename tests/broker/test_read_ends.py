"""Does a reader know when it has read everything?"""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import Assignment

from farandole.broker.aiokafka_internals import stable_end_reached_at

ONE, TWO = TopicPartition("a", 0), TopicPartition("b", 0)


def assigned(*states: tuple[int, int | None, int | None]) -> Assignment:
    """Return an assignment whose partitions have these positions, last stable offsets and times of
    the last fetch, in milliseconds."""
    assignment = Assignment({ONE, TWO})
    for partition, (position, end, fetched) in zip((ONE, TWO), states, strict=True):
        state = assignment.state_value(partition)
        state.seek(position)
        state.lso, state.timestamp = end, fetched
    return assignment


async def test_everything_is_read_as_of_the_oldest_of_the_last_fetches() -> None:
    assert stable_end_reached_at(assigned((7, 7, 5_000), (3, 2, 9_000)), [ONE, TWO]) == 5.0


async def test_a_partition_with_unread_records_is_not_read() -> None:
    assert stable_end_reached_at(assigned((6, 7, 5_000), (3, 3, 9_000)), [ONE, TWO]) is None


async def test_a_partition_that_was_never_fetched_may_have_unread_records() -> None:
    assert stable_end_reached_at(assigned((7, 7, 5_000), (0, None, None)), [ONE, TWO]) is None


async def test_an_assignment_that_is_over_says_nothing() -> None:
    over = assigned((7, 7, 5_000), (3, 3, 9_000))
    over._unassign()
    assert stable_end_reached_at(over, [ONE, TWO]) is None
    assert stable_end_reached_at(None, [ONE, TWO]) is None


async def test_a_partition_whose_position_is_lost_is_not_read() -> None:
    lost = assigned((7, 7, 5_000), (3, 3, 9_000))
    lost.state_value(TWO).await_reset(None)
    assert stable_end_reached_at(lost, [ONE, TWO]) is None
