"""Where does the monitor begin to read?"""

from __future__ import annotations

from aiokafka import TopicPartition

from farandole.monitor.ledger_skip import offsets_to_skip_to

ONE, TWO = TopicPartition("ledger", 0), TopicPartition("ledger", 1)


def test_what_no_window_needs_is_skipped() -> None:
    assert offsets_to_skip_to({ONE: 500, TWO: 90}, {ONE: 20, TWO: 20}) == {ONE: 500, TWO: 90}


def test_the_committed_offset_stays_where_it_is_newer() -> None:
    assert offsets_to_skip_to({ONE: 500, TWO: 90}, {ONE: 600, TWO: 20}) == {TWO: 90}


def test_a_first_start_skips_too() -> None:
    assert offsets_to_skip_to({ONE: 500, TWO: 0}, {}) == {ONE: 500}
