"""Are quantiles within 1 %, whatever the order?"""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from farandole.quality.profiles.quantile_sketch import (
    BUCKETS,
    QuantileSketch,
    bucket_edges,
    bucket_keys,
    representatives,
)

SHARES = (0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1)
INSIDE = st.floats(2.0**-64, 2.0**64, exclude_max=True)


def of(numbers: NDArray[np.float64]) -> QuantileSketch:
    sketch = QuantileSketch()
    sketch.add(numbers)
    return sketch


@pytest.mark.parametrize("shape", ["lognormal", "pareto", "normal", "uniform"])
def test_a_quantile_is_within_1_percent_of_the_number_of_its_rank(shape: str) -> None:
    random = np.random.default_rng(5)
    numbers: NDArray[np.float64] = {
        "lognormal": lambda: random.lognormal(3, 2, 20_000),
        "pareto": lambda: random.pareto(1.1, 20_000) * 1e-6,
        "normal": lambda: random.normal(0, 100, 20_000),
        "uniform": lambda: random.uniform(-1e9, 1e9, 20_000),
    }[shape]()
    sketch, oracle = of(numbers), DDSketch(0.01)
    for number in numbers.tolist():
        oracle.add(number)
    for share in SHARES:
        exact = np.quantile(numbers, share, method="lower")
        assert sketch.quantile(share) == pytest.approx(exact, rel=0.01)
        assert sketch.quantile(share) == pytest.approx(oracle.get_quantile_value(share), rel=0.02)


@given(INSIDE, st.booleans())
def test_what_stands_for_a_bucket_is_within_1_percent(number: float, negative: bool) -> None:
    signed = np.array([-number if negative else number])
    keys = bucket_keys(signed)
    lower, upper = bucket_edges(keys)
    assert lower[0] <= signed[0] <= upper[0]
    assert representatives(keys)[0] == pytest.approx(signed[0], rel=1 / 129 + 1e-12)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2))
def test_a_larger_number_has_no_smaller_bucket(numbers: list[float]) -> None:
    keys = bucket_keys(np.array(sorted(numbers)))
    assert (np.diff(keys) >= 0).all()
    assert np.abs(keys).max() <= BUCKETS


def test_what_is_out_of_range_counts_as_zero_or_into_the_last_bucket() -> None:
    numbers = np.array([0.0, -0.0, 5e-324, -1e-20, 1e300, -1.7e308])
    assert bucket_keys(numbers).tolist() == [0, 0, 0, 0, BUCKETS, -BUCKETS]


@given(st.lists(st.lists(st.floats(-1e30, 1e30), max_size=20), max_size=6))
def test_parts_are_merged_to_the_buckets_of_the_whole(parts: list[list[float]]) -> None:
    merged = QuantileSketch()
    for part in reversed(parts):
        merged.merge(of(np.array(part, np.float64)))
    whole = of(np.array(list(chain(*parts)), np.float64))
    assert merged == whole
    assert QuantileSketch.from_wire(whole.to_wire()) == whole


def test_a_counted_number_is_added_as_often() -> None:
    counted = QuantileSketch()
    counted.add(np.array([1.0, 5.0]), np.array([3, 1]))
    assert counted == of(np.array([1.0, 5.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    "wire",
    [
        None, 1, {}, [], [[]], [[1], [1, 2]], [[1], [0]], [[1], [True]], [[1, 0], [1, 1]],
        [[BUCKETS + 1], [1]], [[BUCKETS, 1], [1, 1]], [[1.0], [1]], "x",
    ],
)  # fmt: skip
def test_what_is_no_sketch_is_refused(wire: object) -> None:
    with pytest.raises(ValueError, match=r"quantile sketch|packed"):
        QuantileSketch.from_wire(wire)
