"""Of which inputs does a probe count what is unread?"""

from __future__ import annotations

from aiokafka import TopicPartition

from farandole.broker.consumer_lag import InputLag
from farandole.ledger.lag_probe import without_roots


def test_roots_that_wait_are_not_counted() -> None:
    root = InputLag("asked", TopicPartition("p.asked", 0), 3, 9)
    other = InputLag("made", TopicPartition("p.made", 0), 3, 9)
    assert without_roots([root, other], ("asked",)) == [other]
    assert without_roots([root, other], ()) == [root, other]
