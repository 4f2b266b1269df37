"""What does a lane remember of what people said, and what does it make of foreign rows?"""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.anomaly_document import IgnoredNumbers
from farandole.ledger.steering_rows import (
    SILENCE_FIELDS,
    IgnoredFrom,
    Steering,
    TakenAsNormal,
    read_steering,
)

NUMBERS = (IgnoredNumbers("line", "price"), IgnoredNumbers("", "", "seconds"))
SILENCE = dict.fromkeys(SILENCE_FIELDS, 1.5)


def test_what_is_written_is_read_in_the_order_in_which_it_was_said() -> None:
    later = TakenAsNormal("shop", "b" * 16, "shop/run/2", 1, 7, "ann", "why")
    first = TakenAsNormal("shop", "a" * 16, "shop/run/2", 0, 6, silence=SILENCE, feed="asked")
    ignored = IgnoredFrom("shop/run/3", 9, NUMBERS)
    rows = [each.row for each in (later, first, ignored)]
    state = {each.key or b"": each.value or b"" for each in rows}
    assert read_steering(state) == {"shop": Steering([first, later], [ignored])}


def test_what_was_ignored_before_all_known_runs_is_what_was_said_last_before_them() -> None:
    said = [
        IgnoredFrom("shop/run/2", 2, ()),
        IgnoredFrom("shop/run/1", 1, NUMBERS),
        IgnoredFrom("shop/run/3", 3, NUMBERS[:1]),
    ]
    assert Steering(ignored=said).ignored_before(["shop/run/3"]) == ()
    assert Steering(ignored=said[1:]).ignored_before(["shop/run/3"]) == NUMBERS
    assert Steering(ignored=said).ignored_before(["shop/run/2", "shop/run/1"]) == NUMBERS[:1]


@pytest.mark.parametrize(
    "value",
    [
        {"pipeline": "shop", "anomaly": "x", "after": 3, "number": 0, "at": 0},
        {"pipeline": "shop", "anomaly": "x", "after": "", "number": "0", "at": 0},
        {"pipeline": "shop", "anomaly": "x", "after": "", "number": 0, "at": 0, "silence": {}},
        {"pipeline": "else", "anomaly": "x", "after": "", "number": 0, "at": 0},
        {"anomaly": "x"},
        [],
        None,
    ],
)
def test_a_row_that_no_lane_wrote_says_nothing(value: object) -> None:
    assert read_steering({b"expected/shop/x": orjson.dumps(value)}) == {}


@given(st.binary(), st.sampled_from([b"expected/shop/x", b"ignored/shop/run/1", b"ignored/"]))
def test_no_row_stops_a_lane(value: bytes, key: bytes) -> None:
    assert len(read_steering({key: value})) <= 1


def test_a_row_of_a_newer_release_is_read_without_what_it_has_added() -> None:
    taken = TakenAsNormal("shop", "a" * 16, "shop/run/2", 0, 6)
    value = orjson.dumps({**taken._asdict(), "season": "winter"})
    assert read_steering({taken.key: value})["shop"].expected == [taken]
