"""Is every number that a producer may give a record as its time read without an error?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from farandole.events.record_time import (
    MAX_TIME_MS,
    RowTime,
    known_time,
    known_time_ms,
    past_time,
    past_time_ms,
    to_milliseconds,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NOW_MS = to_milliseconds(NOW)
int64 = st.integers(-(2**63), 2**63 - 1)


class Row(BaseModel):
    at: RowTime


@pytest.mark.parametrize(
    "timestamp",
    [-1, 0, -99_999_999_999_999, 1_700_000_000_000_000, MAX_TIME_MS + 1, 2**63 - 1, -(2**63)],
)
def test_a_number_that_is_no_time_is_replaced(timestamp: int) -> None:
    assert (known_time_ms(timestamp), known_time(timestamp)) == (None, None)
    assert (past_time_ms(timestamp, NOW_MS), past_time(timestamp, NOW)) == (NOW_MS, NOW)


def test_a_time_in_the_past_is_kept() -> None:
    assert known_time_ms(1_700_000_000_123) == past_time_ms(1_700_000_000_123, NOW_MS)
    assert past_time(1_700_000_000_123, NOW) == datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)


@given(int64)
def test_any_number_becomes_a_time_up_to_now(timestamp: int) -> None:
    time = past_time(timestamp, NOW)
    assert time <= NOW
    assert to_milliseconds(time) == past_time_ms(timestamp, NOW_MS)
    known = known_time(timestamp)
    assert known is None or to_milliseconds(known) == timestamp == known_time_ms(timestamp)


@given(st.text() | st.sampled_from(["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:00"]))
def test_a_time_in_a_row_can_be_reckoned_with(text: str) -> None:
    try:
        at = Row.model_validate({"at": text}).at
    except ValidationError:
        return
    assert datetime(1970, 1, 1, tzinfo=UTC) <= at <= datetime(9000, 1, 1, tzinfo=UTC)


def test_a_time_without_a_zone_is_invalid() -> None:
    with pytest.raises(ValidationError):
        Row.model_validate({"at": "2026-11-29T12:00:00"})
