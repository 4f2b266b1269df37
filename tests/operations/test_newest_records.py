"""Which records are the last ones of several partitions?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.operations.events.newest_records import merge_newest
from tests.events.made import Made

partitions = st.lists(st.lists(st.integers(-5, 20), max_size=6), max_size=4).map(
    lambda logs: [
        [Made(b"", partition=p, offset=i, timestamp=t) for i, t in enumerate(times)]
        for p, times in enumerate(logs)
    ]
)


@given(partitions, st.integers(1, 10))
def test_each_partition_gives_its_last_records_in_order(logs: list[list[Made]], count: int) -> None:
    newest = merge_newest(logs, count)
    assert len(newest) == min(count, sum(map(len, logs)))
    for partition, log in enumerate(logs):
        chosen = [record for record in newest if record.partition == partition]
        assert chosen == log[len(log) - len(chosen) :]


@given(partitions, st.integers(1, 10))
def test_where_times_only_grow_they_are_the_newest_of_all(
    logs: list[list[Made]], count: int
) -> None:
    rising = [sorted(log, key=lambda record: record.timestamp) for log in logs]
    times = sorted(record.timestamp for log in rising for record in log)
    assert [r.timestamp for r in merge_newest(rising, count)] == times[-count:]
