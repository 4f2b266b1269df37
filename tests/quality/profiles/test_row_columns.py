"""Which columns do rows have?"""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.profiling import profile_rows
from tests.quality.profiles.samples import merged

OPEN: frozenset[str] = frozenset()


def of(*rows: Any) -> EdgeProfile:
    return profile_rows([orjson.dumps(row) for row in rows], OPEN)


def test_a_field_of_an_object_is_a_column_with_its_path() -> None:
    found = of({"a": {"city": "Oslo", "zip": {"code": 1}}}, {"a": None}, {"b": 1})
    assert {name: (c.count, c.nulls, c.missing) for name, c in found.columns.items()} == {
        "a": (1, 1, 1), "a.city": (1, 0, 2), "a.zip": (1, 0, 2), "a.zip.code": (1, 0, 2),
        "b": (1, 0, 2),
    }  # fmt: skip


def test_the_fourth_name_of_a_path_is_the_last() -> None:
    found = of({"a": {"b": {"c": {"d": {"e": 1}}}}})
    assert list(found.columns) == ["a", "a.b", "a.b.c", "a.b.c.d"]
    assert found.columns["a.b.c.d"].kinds == {"object": 1}


def test_a_field_with_a_dot_is_another_column_than_one_inside() -> None:
    found = of({"a.b": 1, "a": {"b": "x"}, "a\\": {"b": None}})
    assert found.columns["a\\.b"].kinds == {"int": 1}
    assert found.columns["a.b"].kinds == {"text": 1}
    assert found.columns["a\\\\.b"].nulls == 1


def test_a_row_that_is_no_object_is_one_column() -> None:
    found = of(5, [1, 2], None, {"value": "x"}, "y")
    assert list(found.columns) == ["value"]
    assert found.columns["value"].kinds == {"int": 1, "list": 1, "text": 2}
    assert found.columns["value"].nulls == 1


def test_rows_with_other_fields_in_another_order_are_told_apart() -> None:
    found = of({"a": 1, "b": 2}, {"b": 3, "a": 4}, {"a": 5, "c": 6})
    assert {name: (c.total, c.missing) for name, c in found.columns.items()} == {
        "a": (10, 0), "b": (5, 1), "c": (6, 2)
    }  # fmt: skip


@given(st.lists(st.integers(0, 600), min_size=2, max_size=40), st.randoms())
def test_the_first_200_names_are_kept_in_whatever_order_rows_come(
    first_names: list[int], random: Any
) -> None:
    rows = [{f"c{number:04}": number for number in range(n, n + 15)} for n in first_names]
    whole = of(*rows)
    names = sorted({name for row in rows for name in row})[:200]
    assert list(whole.columns) == names
    kept = sum(c.count for c in whole.columns.values())
    assert whole.left_out == sum(map(len, rows)) - kept
    random.shuffle(rows)
    assert merged([of(row) for row in rows]) == whole


def test_a_name_of_more_than_100_characters_is_left_out() -> None:
    found = of({"x" * 100: 1, "y" * 101: 2, "z": {"w" * 99: 3}})
    assert list(found.columns) == ["x" * 100, "z"]
    assert found.left_out == 2
