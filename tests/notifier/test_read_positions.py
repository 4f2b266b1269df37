"""Does the notifier know which records it has read?"""

from __future__ import annotations

import pytest

from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.notifier.read_positions import ReadPositions

NOW = 1_000_000
TOPIC = "p.load.dead"


def letter(offset: int, timestamp: int, topic: str = TOPIC) -> SimulatedRecord:
    return SimulatedRecord(topic, 0, offset, b"{}", None, (), timestamp)


def after(*letters: SimulatedRecord) -> ReadPositions:
    """Return the positions that a successor restores."""
    before, restored = ReadPositions(), ReadPositions()
    for each in letters:
        before.note(each, NOW)
    restored.restore(before.take_changes().values())
    return restored


def test_what_was_read_is_known_again() -> None:
    positions = after(letter(3, 500), letter(4, 400))
    assert positions.was_read(letter(3, 500), NOW)
    assert positions.was_read(letter(4, 400), NOW)
    assert not positions.was_read(letter(5, 300), NOW)
    assert not positions.was_read(letter(3, 500, "p.other.dead"), NOW)


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62])
def test_a_time_that_is_none_does_not_make_a_record_new(timestamp: int) -> None:
    assert after(letter(3, timestamp)).was_read(letter(3, timestamp), NOW)


def test_records_of_a_topic_that_was_created_again_are_new() -> None:
    positions = after(letter(90, 500))
    again = letter(0, 600)
    assert not positions.was_read(again, NOW)
    positions.note(again, NOW)
    assert positions.was_read(again, NOW)
    assert not positions.was_read(letter(1, 600), NOW)
