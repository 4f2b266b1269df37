"""Is the distance of two distributions what statistics say of their values?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.drift import ks, psi
from farandole.quality.profiles.profiling import profile_columns

RANDOM = np.random.default_rng(7)


def column(values: Any, personal: frozenset[str] = frozenset()) -> ColumnProfile:
    return profile_columns({"a": values}, len(values), personal).columns["a"]


def exact_ks(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    places = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(each), places, "right") / len(each) for each in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


@given(
    st.lists(st.integers(-5, 5) | st.floats(-5, 5), min_size=1, max_size=50),
    st.lists(st.integers(-5, 5), min_size=1, max_size=50),
)
@settings(max_examples=50, deadline=None)
def test_ks_of_values_that_are_kept_is_exact(one: list[float], other: list[int]) -> None:
    found = ks(column(one), column(other))
    assert found == pytest.approx(exact_ks(np.array(one, float), np.array(other, float)))


@pytest.mark.parametrize("scale", [1.0, 1.02, 1.3, 100.0])
def test_ks_of_sketches_is_exact_but_for_one_bucket(scale: float) -> None:
    one, other = RANDOM.lognormal(3, 1, 8_000), RANDOM.lognormal(3, 1, 5_000) * scale
    assert ks(column(one), column(other)) == pytest.approx(exact_ks(one, other), abs=0.015)


def test_psi_is_the_sum_over_deciles_of_the_reference() -> None:
    one, other = RANDOM.normal(100, 10, 9_000), RANDOM.normal(105, 10, 9_000)
    edges = np.quantile(one, np.linspace(0, 1, 11))
    edges[0], edges[-1] = -np.inf, np.inf
    p, q = (np.histogram(each, edges)[0] / len(each) for each in (one, other))
    expected = float(((q - p) * np.log(q / p)).sum())
    assert psi(column(one), column(other)) == pytest.approx(expected, rel=0.15)


def test_what_does_not_change_is_below_0_1_and_what_is_in_other_units_above_0_25() -> None:
    one, other = RANDOM.lognormal(3, 1, 5_000), RANDOM.lognormal(3, 1, 3_000)
    same, drifted = psi(column(one), column(other)), psi(column(one), column(other * 100))
    assert same is not None
    assert drifted is not None
    assert same < 0.1 < 0.25 < drifted


def test_a_column_does_not_drift_from_itself() -> None:
    for values in ([1, 2, 2, 3], ["a", "b", "b"], [True, False], RANDOM.normal(0, 1, 3_000)):
        assert psi(column(values), column(values)) == 0
    few, many = column([1] * 6 + [2, 3, 4]), column([1] * 60 + [2, 3, 4] * 10)
    assert psi(few, many) == psi(column([True] * 2), column([True] * 90)) == 0
    assert ks(few, many) == 0


def test_values_that_are_kept_are_compared_with_sketches() -> None:
    some, all_ = RANDOM.integers(1, 6, 900), [*RANDOM.integers(1, 6, 900), *range(100, 1_300)]
    assert ks(column(some), column(all_)) == pytest.approx(12 / 21, abs=0.03)
    few, many = RANDOM.lognormal(3, 1, 900), RANDOM.lognormal(3, 1, 9_000)
    assert ks(column(few), column(many)) == pytest.approx(exact_ks(few, many), abs=0.015)
    assert psi(column(many), column(few)) == pytest.approx(0, abs=0.1)


def test_texts_are_compared_by_the_share_of_each() -> None:
    one, other = ["a"] * 60 + ["b"] * 40, ["a"] * 30 + ["c"] * 70
    p, q = np.array([0.6, 0.4, 0.005]), np.array([0.3, 0.005, 0.7])
    expected = float(((q - p) * np.log(q / p)).sum())
    assert psi(column(one), column(other)) == pytest.approx(expected)
    assert ks(column(one), column(other)) is None


def test_true_is_not_the_text_or_the_number() -> None:
    assert psi(column([True] * 9), column(["True"] * 9)) == pytest.approx(5.2, abs=1)
    assert psi(column([True] * 9), column([1] * 9)) is None


def test_a_new_category_and_a_missing_one_count() -> None:
    before = column(["tea"] * 90 + ["rice"] * 10)
    assert psi(before, column(["tea"] * 180 + ["rice"] * 20)) == 0
    assert (psi(before, column(["tea"] * 60 + ["wine"] * 40)) or 0) > 0.25


def test_two_normal_distributions_a_standard_deviation_apart_have_the_distance_of_theory() -> None:
    before, after = RANDOM.normal(0, 1, 9_000), RANDOM.normal(1, 1, 9_000)
    assert ks(column(before), column(after)) == pytest.approx(0.383, abs=0.03)  # 2·Φ(1/2) − 1


def test_what_is_not_known_has_no_distance() -> None:
    names = column(np.array([f"n{number}" for number in range(2_000)]))
    numbers = column([1, 2, 3])
    for other in (names, column([None]), column([1, 2], frozenset({"a"}))):
        assert psi(numbers, other) is None
        assert ks(other, numbers) is None
    assert psi(names, names) is None
