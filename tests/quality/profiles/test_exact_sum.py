"""Are sums of doubles exact, in any order?"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.quality.profiles.exact_sum import (
    fraction_of,
    sum_of_doubles,
    units_from_wire,
    units_of,
    units_to_wire,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, max_size=60))
def test_a_sum_is_that_of_the_fractions(doubles: list[float]) -> None:
    assert fraction_of(sum_of_doubles(np.array(doubles))) == sum(map(Fraction, doubles))


@given(st.lists(st.tuples(FINITE, st.integers(1, 5)), max_size=30))
def test_a_counted_number_is_added_as_often(counted: list[tuple[float, int]]) -> None:
    doubles = np.array([double for double, _ in counted])
    counts = np.array([count for _, count in counted], np.int64)
    assert fraction_of(sum_of_doubles(doubles, counts)) == sum(
        Fraction(double) * count for double, count in counted
    )


@given(FINITE)
def test_one_number_has_one_sum_in_both_ways(double: float) -> None:
    assert units_of(double) == sum_of_doubles(np.array([double]))


@given(st.lists(FINITE, max_size=20))
def test_a_sum_is_read_as_it_was_written(doubles: list[float]) -> None:
    units = sum_of_doubles(np.array(doubles))
    assert units_from_wire(units_to_wire(units)) == units


@pytest.mark.parametrize(
    "wire", [None, [], ["1"], ["1", -1], ["1", 10**9], ["x", 0], [1, 0], ["1" * 1000, 0], "1"]
)
def test_what_is_no_sum_is_refused(wire: object) -> None:
    with pytest.raises(ValueError, match="sum of doubles"):
        units_from_wire(wire)
