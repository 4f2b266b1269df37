"""Do columns have the profile that the same rows have?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import orjson
import pyarrow  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.profiling import profile_columns, profile_rows
from tests.quality.profiles.samples import VALUES, few_kept

OPEN: frozenset[str] = frozenset()
FINITE = st.floats(allow_nan=False, allow_infinity=False)
MONEY = st.integers(-(10**6), 10**6).map(lambda cents: cents / 100)


def by_rows(values: list[Any]) -> EdgeProfile:
    return of_unknown_rows([orjson.dumps({"a": value}) for value in values], OPEN)


def of_unknown_rows(raws: list[bytes], personal: frozenset[str]) -> EdgeProfile:
    """The profile of rows, as if nobody had said which are different."""
    found = profile_rows(raws, personal)
    found.registers = None
    return found


def by_column(column: Any, rows: int) -> EdgeProfile:
    return profile_columns({"a": column}, rows, OPEN)


def only(column: Any) -> ColumnProfile:
    return by_column(column, len(column)).columns["a"]


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1)
    | st.lists(st.integers(-20, 20), min_size=1)
    | st.lists(FINITE, min_size=1)
    | st.lists(MONEY, min_size=1)
    | st.lists(st.booleans(), min_size=1)
    | st.lists(st.integers(2**63, 2**64 - 1), min_size=1),
    st.integers(1, 8),
)
@settings(max_examples=80, deadline=None)
def test_an_array_is_profiled_as_its_values_are(values: list[Any], kept: int) -> None:
    with few_kept(kept):
        expected = by_rows(values)
        assert by_column(np.array(values), len(values)) == expected
        assert by_column(pyarrow.array(np.array(values)), len(values)) == expected
        assert by_column(tuple(values), len(values)) == expected


@given(st.lists(VALUES, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_sequence_of_any_values_is_profiled_as_rows_are(values: list[Any]) -> None:
    assert by_column(values, len(values)) == by_rows(values)


def test_large_arrays_are_profiled_as_rows_are() -> None:
    random = np.random.default_rng(1)
    for array in (
        np.arange(4_000), random.lognormal(3, 1, 4_000), random.integers(0, 900, 4_000),
        random.integers(0, 9_000, 4_000) / 100, random.normal(0, 1e300, 4_000),
        random.integers(-(2**63), 2**63 - 1, 4_000), random.lognormal(0, 1, 3_000).repeat(2),
    ):  # fmt: skip
        assert by_column(array, len(array)) == by_rows(array.tolist())


def test_what_is_masked_or_null_is_null() -> None:
    masked = np.ma.masked_array([1, 2, 3, 4], [False, True, False, True])
    for column in (masked, pyarrow.array([1, None, 3, None]), [1, None, 3, None]):
        found = only(column)
        assert (found.count, found.nulls, found.total) == (2, 2, 4)
    texts = pyarrow.array(["a", None, "b", "a"])
    assert by_column(texts, 4) == by_rows(["a", None, "b", "a"])
    assert by_column(pyarrow.chunked_array([["a"], [None, "b", "a"]]), 4) == by_column(texts, 4)
    assert only(pyarrow.array([None, None])).nulls == 2


def test_what_is_not_finite_is_counted_apart() -> None:
    values = [1.5, float("nan"), float("inf"), float("-inf"), 2.5]
    for column in (np.array(values), values, np.array(values, np.float32)):
        found = only(column)
        assert (found.kinds, found.not_finite) == ({"float": 5}, 3)
        assert (found.minimum, found.maximum, found.total) == (1.5, 2.5, 4)
        assert found.distinct() == (2, True)
    huge = only([10**400, 5, -(10**400)])
    assert (huge.kinds, huge.not_finite, huge.total) == ({"int": 3}, 2, 5)
    assert only([float("nan")]).total is None
    assert only([2**1024 - 1, 2**1023]).quantile(1) == 2.0**1023


def test_integers_beyond_64_bits_are_exact() -> None:
    found = by_column([2**70, 2**70 + 1, -(2**1000), 2.0**70], 4)
    column = found.columns["a"]
    assert column.exact_total == 3 * 2**70 + 1 - 2**1000
    assert column.total == -(2.0**1000)
    assert column.distinct() == (3, True)
    assert EdgeProfile.from_json(orjson.loads(orjson.dumps(found.to_json()))) == found


class Size(IntEnum):
    SMALL = 1


def test_what_json_does_not_know_is_read_as_its_text_or_number() -> None:
    values: list[Any] = [
        Decimal("1.50"), date(2026, 7, 31), datetime(2026, 7, 31, 12, tzinfo=UTC), Size.SMALL,
        np.int64(5), np.float64(2.5), (1, 2), "a\ud800", b"x", {"k": {1: None}},
    ]  # fmt: skip
    found = by_column(values, len(values))
    column = found.columns["a"]
    assert column.kinds == {"text": 5, "int": 2, "float": 1, "list": 1, "object": 1}
    assert {value for value, _ in column.top(9)} == {
        "1.50", "2026-07-31", "2026-07-31T12:00:00+00:00", 1, 5, 2.5, "a?", "b'x'"
    }  # fmt: skip
    assert column.formats == {"number": 1, "date": 2}
    assert list(found.columns) == ["a", "a.k", "a.k.1"]


def test_times_are_texts_of_iso_8601() -> None:
    times = np.array(["2026-07-31T12:00:00", "NaT"], "datetime64[s]")
    for column in (times, pyarrow.array(times)):
        found = only(column)
        assert (found.top(2), found.nulls) == ([("2026-07-31T12:00:00", 1)], 1)


def test_a_name_with_a_dot_and_an_object_in_a_column_are_as_in_rows() -> None:
    rows: list[dict[str, Any]] = [{"a.b": 1, "o": {"p": "x"}}, {"a.b": 2, "o": None}]
    columns = {name: [row[name] for row in rows] for name in ("a.b", "o")}
    expected = of_unknown_rows(list(map(orjson.dumps, rows)), frozenset({"o.p"}))
    assert profile_columns(columns, 2, frozenset({"o.p"})) == expected


def test_more_than_200_columns_are_left_out() -> None:
    columns = {f"{number:03}": pyarrow.array([1, None]) for number in range(205)}
    found = profile_columns(columns, 2, OPEN)
    assert (len(found.columns), found.left_out) == (200, 10)


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has 3 values, not 2"):
        by_column([1, 2, 3], 2)
    with pytest.raises(ValueError, match="one dimension"):
        by_column(np.zeros((2, 2)), 2)
