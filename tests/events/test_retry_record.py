"""Is an event read from the retry topic as it was written to it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.retry_record import (
    PARKED_PREFIX,
    REPLAY_PREFIX,
    ParkedEvent,
    make_retry_row,
    max_retry_row_size,
    parse_retry_row,
    retry_tombstone,
    to_parked_event,
)
from farandole.lanes.simulated_kafka import SimulatedRecord

bits = st.binary(max_size=20)
events = st.builds(
    ParkedEvent,
    topic=st.just("p.asked"),
    partition=st.integers(0, 9),
    offset=st.integers(0, 2**40),
    value=st.none() | bits,
    key=st.none() | bits,
    headers=st.lists(st.tuples(st.text(max_size=5), bits)).map(tuple),
    timestamp=st.integers(0, 2**42),
    sequence=st.integers(0, 2**40),
    attempts=st.integers(0, 100),
    before=st.integers(0, 100),
    replays=st.integers(0, 9),
    first_failed=st.integers(0, 2**42),
    last_failed=st.integers(0, 2**42),
    since=st.integers(0, 2**42),
    due=st.integers(0, 2**42),
    error=st.text(max_size=9),
    message=st.text(max_size=9),
    checks=st.text(max_size=9),
    released=st.integers(0, 1),
    repaired=st.integers(0, 1),
    discarded=st.text(max_size=9),
    life=st.integers(1, 3),
    later=st.dictionaries(st.just("invented_later"), st.integers(0, 9)),
)


@given(events)
def test_an_event_of_any_bytes_is_read_as_it_was_written(event: ParkedEvent) -> None:
    assert parse_retry_row(make_retry_row(event).value or b"") == event


@given(events)
def test_no_row_is_larger_than_its_upper_bound(event: ParkedEvent) -> None:
    key, value, _ = make_retry_row(event)
    assert len(key or b"") + len(value or b"") <= max_retry_row_size(event)


@pytest.mark.parametrize("timestamp", [-1, -(2**63), 2**63 - 1, 1_700_000_000_000_000])
def test_an_event_without_a_usable_time_can_wait(timestamp: int) -> None:
    """Also one whose row an older release has written."""
    record = SimulatedRecord("p.asked", 1, 7, b"{}", b"k", [], timestamp)
    assert to_parked_event(record).timestamp == 0
    written = make_retry_row(to_parked_event(record)._replace(timestamp=timestamp))
    assert parse_retry_row(written.value or b"") == to_parked_event(record)


def test_the_value_is_unchanged_after_a_line_of_json() -> None:
    record = SimulatedRecord("p.asked", 1, 7, b'{"n": 1}', b"k", [("h", b"x")], 5)
    out = make_retry_row(to_parked_event(record, 3), REPLAY_PREFIX)
    assert out.key == b"replay/p.asked/1/7"
    account, _, value = (out.value or b"").partition(b"\n")
    assert (account[:1], value) == (b"{", b'{"n": 1}')


def test_a_tombstone_has_the_key_of_its_row() -> None:
    event = to_parked_event(SimulatedRecord("p.asked", 1, 7, b"{}", None), 3)
    assert (retry_tombstone(event).key, retry_tombstone(event).value) == (
        make_retry_row(event, PARKED_PREFIX).key,
        None,
    )


HOSTILE = [
    b'{"topic":"t","partition":0,"offset":0,%b}\n' % wrong
    for wrong in (
        b'"offset":"x"', b'"offset":null', b'"partition":-1', b'"before":"x"', b'"due":1e300',
        b'"first_failed":999999999999999', b'"sequence":true', b'"error":7', b'"topic":[]',
    )
]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        *HOSTILE,
        b"",
        b"{}",
        b"[]\n",
        b"nonsense\n",
        b'{"topic": "t"}\n',
        b'{"colour": 1}\n',
        b"\xff\n",
    ],
)
def test_a_row_that_no_worker_wrote_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="no row of a retry topic"):
        parse_retry_row(value)
