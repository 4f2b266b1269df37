"""Which stages are throttled, by the rows of their lanes?"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.throttled_stages import (
    FRESH_SECONDS,
    Throttled,
    ThrottledStages,
    throttled_in,
)


def row(throttled: int = 0, waiting: int = 0, at: int = 1_000_000) -> bytes:
    return orjson.dumps(
        {"id": "x/1", "at": at, "held": 0, "wanted": 500_000, "demand": 3.5, "waiting": waiting,
         "throttled": throttled}
    )  # fmt: skip


class Table:
    def __init__(self) -> None:
        self.rows: Mapping[bytes, bytes] = {}


def test_a_stage_is_throttled_as_long_as_one_of_its_lanes_says_so() -> None:
    now, table = [0.0], Table()
    stages = ThrottledStages(table, lambda: now[0])
    assert stages.current() == {}
    table.rows = {
        b"throttle/p/load/0": row(throttled=900, waiting=3),
        b"throttle/p/load/10": row(throttled=800, waiting=4),
        b"throttle/p/load/1": row(waiting=7),
        b"throttle/p/price/0": row(waiting=5),
        b"roots/p/plan/0": row(throttled=700, waiting=1),
    }
    assert stages.current() == {
        ("p", "load"): Throttled(800, 7, (0, 10)),
        ("p", "plan"): Throttled(700, 1, (0,)),
    }
    table.rows = {**table.rows, b"throttle/p/load/0": row(), b"throttle/p/load/10": row()}
    assert set(stages.current()) == {("p", "plan")}


def test_what_a_lane_said_long_ago_is_not_true_any_more() -> None:
    now, table = [0.0], Table()
    stages = ThrottledStages(table, lambda: now[0])
    table.rows = {b"throttle/p/load/0": row(throttled=1)}
    assert stages.current()
    now[0] = FRESH_SECONDS - 1
    table.rows = {**table.rows, b"throttle/p/load/1": row()}
    assert stages.current()
    now[0] = FRESH_SECONDS
    assert stages.current() == {}
    assert throttled_in({b"throttle/p/load/0": row(throttled=1, at=1000)}, 100_000)
    assert throttled_in({b"throttle/p/load/0": row(throttled=1, at=1000)}, 200_000) == {}


@given(
    st.dictionaries(
        st.binary(max_size=12)
        | st.sampled_from(
            [b"throttle/p/load/x", b"throttle/p/load", b"limit/crm/abc", b"roots/p/s/"]
        ),
        st.binary(max_size=12) | st.just(row(throttled=1)),
    )
)
def test_foreign_rows_throttle_no_stage(rows: dict[bytes, bytes]) -> None:
    table = Table()
    stages = ThrottledStages(table)
    table.rows = rows
    assert stages.current() == throttled_in(rows, 1_000_000) == {}
