"""Are outcomes counted once each, and read from what was written before they existed?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.outcome import (
    PENDING,
    RECORDED,
    Outcome,
    OutcomeCounts,
    handled_count,
    pending_count,
)

COUNTS = st.dictionaries(
    st.sampled_from(list[Outcome](RECORDED)), st.integers(-(10**6), 10**6)
).map(lambda counts: OutcomeCounts(counts))


@given(COUNTS)
def test_what_is_written_is_read(counts: OutcomeCounts) -> None:
    written = {outcome: number for outcome, number in counts.items() if number}
    assert OutcomeCounts.from_fields(counts.complete()) == written
    assert OutcomeCounts.from_fields(counts.nonzero()) == written
    assert list(counts.complete()) == [outcome.value for outcome in RECORDED]


@given(COUNTS, COUNTS)
def test_sums_are_taken_by_outcome(one: OutcomeCounts, other: OutcomeCounts) -> None:
    total = OutcomeCounts(one)
    total.add(other)
    assert all(total[outcome] == one[outcome] + other[outcome] for outcome in Outcome)


@given(COUNTS, st.integers(0, 10**6))
def test_an_event_without_another_outcome_was_handled(counts: OutcomeCounts, consumed: int) -> None:
    assert handled_count(consumed, counts) + sum(counts.values()) == consumed


def test_a_parked_event_is_in_flight() -> None:
    counts = OutcomeCounts()
    counts.count(Outcome.PARKED, 2)
    counts.count(Outcome.DEAD)
    counts.count(Outcome.PARKED, -1)
    assert (pending_count(counts), set(PENDING)) == (1, {Outcome.PARKED})


@pytest.mark.parametrize("number", ["1", 1.0, True, None])
def test_a_count_that_is_no_integer_is_refused(number: object) -> None:
    with pytest.raises(ValueError, match="dead"):
        OutcomeCounts.from_fields({"dead": number})
