"""Does the profile of rows say what is in them?"""

from __future__ import annotations

import math
import sys
from collections import Counter
from fractions import Fraction
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.quality.profiles.column_profile import ColumnProfile, Extent
from farandole.quality.profiles.profiling import profile_rows
from tests.quality.profiles.samples import SCALARS, lines, profiled

OPEN: frozenset[str] = frozenset()


def column(values: list[Any], *, personal: bool = False) -> ColumnProfile:
    raws = [orjson.dumps({"a": value}) for value in values]
    return profile_rows(raws, frozenset({"a"}) if personal else OPEN).columns["a"]


@given(st.lists(SCALARS, min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_column_is_what_python_says_of_its_values(values: list[Any]) -> None:
    found = column(values)
    numbers = [value for value in values if type(value) in (int, float)]
    texts = [value for value in values if type(value) is str]
    different = Counter((type(v) if type(v) not in (int, float) else 0, v) for v in values)
    assert found.count == len(values) - values.count(None)
    assert found.nulls == values.count(None)
    assert found.distinct() == (len([v for _, v in different if v is not None]), True)
    assert (found.minimum, found.maximum) == (
        min(numbers, default=None),
        max(numbers, default=None),
    )
    if numbers:
        assert found.exact_total == sum(map(Fraction, numbers))
        assert found.quantile(0.5) == sorted(numbers)[int(0.5 * (len(numbers) - 1))]
    assert sum(count for _, count in found.top(1_000)) == found.count - sum(
        len(text) > 100 for text in texts
    )
    lengths = list(map(len, texts))
    assert found.lengths == (Extent(min(lengths), max(lengths), sum(lengths)) if texts else None)


def test_1_and_1_0_are_one_number_but_true_and_the_text_are_others() -> None:
    found = column([1, 1.0, True, "1", 1, None])
    assert found.top(9) == [(1, 3), (True, 1), ("1", 1)]
    assert found.kinds == {"int": 2, "float": 1, "bool": 1, "text": 1}
    assert found.distinct() == (3, True)


def test_a_sum_of_doubles_is_exact_where_adding_them_is_not() -> None:
    found = column([0.1] * 10 + [1e16, -1e16])
    assert found.total == math.fsum([0.1] * 10)
    assert found.total != sum([0.1] * 10)
    assert found.mean == pytest.approx(1 / 12)


def test_an_exact_sum_has_as_many_digits_as_it_needs() -> None:
    found = column([2**64 - 1, 2**64 - 1, 1])
    assert found.exact_total == 2**65 - 1
    assert found.total == 2.0**65
    assert column([2**62, 0.5, 0.5]).total == 2**62 + 1


def test_a_sum_beyond_the_largest_double_can_be_shown() -> None:
    found = column([1.7e308, 1.7e308])
    assert found.exact_total == 2 * int(1.7e308)
    assert found.total == sys.float_info.max
    assert found.mean == 1.7e308


def test_a_column_of_many_values_has_sketches_instead() -> None:
    found = profile_rows(lines(0, 3_000), OPEN).columns
    for name, exact in (("id", 31_198_570_044 + 1_499), ("price", 1_499 * 0.37)):
        assert found[name].overflowed
        assert found[name].top(5) == []
        assert found[name].quantile(0.5) == pytest.approx(exact, rel=0.01)
        assert found[name].distinct()[0] == pytest.approx(3_000, rel=0.02)
    assert found["count"].top(2) == [(0, 60), (1, 60)]
    assert found["name"].distinct()[0] == pytest.approx(3_000, rel=0.02)
    assert found["name"].length_quantile(0.5) == 11


def test_a_thousand_values_are_kept_and_one_more_are_not() -> None:
    assert column(list(range(1_000))).distinct() == (1_000, True)
    assert column([*range(999), "a"]).distinct() == (1_000, True)
    assert column([*range(1_000), "a"]).overflowed


def test_quantiles_and_histograms_stay_between_minimum_and_maximum() -> None:
    found = column([number * 1.01 for number in range(1, 2_000)])
    histogram = found.histogram(7)
    assert histogram
    assert (histogram.edges[0], histogram.edges[-1]) == (found.minimum, found.maximum)
    assert sum(histogram.counts) == 1_999
    assert max(histogram.counts) - min(histogram.counts) < 60
    for share in (0, 1):
        assert found.minimum <= found.quantile(share) <= found.maximum  # type: ignore[operator]


def test_a_histogram_of_equal_numbers_has_one_part() -> None:
    assert column([5, 5.0]).histogram(10) == ([5.0, 5.0], [2])
    assert column(["a"]).histogram(10) is None
    assert column(["a", "bcd"]).length_histogram(2) == ([1, 2, 3], [1, 1])


def test_a_histogram_may_span_all_doubles() -> None:
    histogram = column([-1.7e308, 0, 1.7e308]).histogram(2)
    assert histogram
    assert histogram.counts == [1, 2]


def test_a_long_text_is_counted_but_not_kept() -> None:
    found = profile_rows(
        [orjson.dumps({"a": "x" * 1_000_000 + str(n % 3)}) for n in range(9)], OPEN
    )
    column = found.columns["a"]
    assert column.distinct() == (3, True)
    assert column.top(9) == []
    assert column.lengths == Extent(1_000_001, 1_000_001, 9_000_009)
    assert len(orjson.dumps(found.to_json())) < 500


def test_a_list_has_its_length_and_the_kinds_of_its_items() -> None:
    found = profiled([b'{"a": [1, "x", null, [2], {"b": 3}]}', b'{"a": []}', b'{"a": [true, 1.5]}'])
    assert list(found.columns) == ["a"]
    assert found.columns["a"].list_lengths == Extent(0, 5, 7)
    assert found.columns["a"].items == {
        "int": 1, "text": 1, "null": 1, "list": 1, "object": 1, "bool": 1, "float": 1
    }  # fmt: skip


def test_texts_are_counted_by_what_they_can_be_read_as() -> None:
    found = column(["12", "12", "1.5", "2026-07-31", "x", "x"])
    assert found.formats == {"integer": 2, "number": 3, "date": 1}


def test_amounts_that_are_written_as_texts_are_added_to_numbers() -> None:
    found = column(["12.50", "0.1", 3, 0.5, "x", None])
    assert found.exact_amount == Fraction("16.1")
    assert found.exact_total == Fraction("3.5")
    assert column(["x"]).exact_amount is None
    assert column(["1"], personal=True).exact_amount is None


def test_the_first_and_the_last_date_are_kept_in_utc() -> None:
    found = column(["2026-07-31", "1970-01-01T00:00:01+01:00", "1970-01-01 00:00:00.5", "x"])
    assert found.earliest == -3_599_000_000
    assert found.latest == 1_785_456_000_000_000
    assert column(["2026-07-31"], personal=True).latest is None


def test_of_a_personal_column_no_value_is_kept() -> None:
    for values in ([4_711, 4_712.5], ["Ada Lovelace", "Grace Hopper"], [True, False]):
        found = column(values, personal=True)
        assert (found.minimum, found.maximum, found.total, found.mean) == (None,) * 4
        assert (found.quantile(0.5), found.histogram(3), found.top(9)) == (None, None, [])
        assert found.distinct() == (2, False)
        written = orjson.dumps(
            profile_rows([orjson.dumps({"a": v}) for v in values], frozenset({"a"})).to_json()
        )
        assert not any(str(value).encode() in written for value in values)
    assert found.count == 2


def test_a_personal_object_is_not_opened() -> None:
    found = profile_rows([b'{"a": {"Ada": {"b": 1}}, "c": {"d": "Ada"}}'], frozenset({"a", "c.d"}))
    assert list(found.columns) == ["a", "c", "c.d"]
    assert found.columns["c.d"].overflowed
    assert not found.columns["c"].overflowed
