"""Does whatever a row holds have an outcome, in bounded memory?"""

from __future__ import annotations

import tracemalloc

import orjson
import pytest

from farandole.quality.profiles.profiling import profile_rows
from tests.quality.profiles.samples import decoded, merged

OPEN: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"nonsense", b"NaN", b'{"a": Infinity}', b'{"a": "\\ud800"}', b'{"\\ud800": 1}',
        b"1e400", b"9" * 5_000, b"\xff\xfe", b"[" * 2_000 + b"]" * 2_000, b"\x00", b"1 2",
    ],
)  # fmt: skip
def test_what_is_not_json_is_unreadable(raw: bytes) -> None:
    found = profile_rows([raw, b'{"a": 1}', raw], OPEN)
    assert (found.rows, found.unreadable) == (1, 2)
    assert found.columns["a"].total == 1


def test_the_last_of_two_fields_with_one_name_counts() -> None:
    assert profile_rows([b'{"a": 1, "a": "x"}'], OPEN).columns["a"].kinds == {"text": 1}


def test_an_integer_of_more_than_64_bits_is_a_double() -> None:
    found = profile_rows([b'{"a": 36893488147419103232}'], OPEN).columns["a"]
    assert (found.kinds, found.total) == ({"float": 1}, 2**65)


def test_a_deep_row_is_one_column() -> None:
    deep = b'{"a": ' * 1_000 + b"1" + b"}" * 1_000
    found = profile_rows([deep, b'{"a": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"], OPEN)
    assert found.columns["a"].kinds == {"object": 1, "list": 1}
    assert list(found.columns) == ["a", "a.a", "a.a.a", "a.a.a.a"]


def test_ten_thousand_columns_of_a_thousand_values_take_bounded_memory() -> None:
    rows = [
        orjson.dumps({f"{n % 5}{'ä' * 90}{c}": f"{n}-{c}" + "ö" * 90 for c in range(2_000)})
        for n in range(6)
    ]
    tracemalloc.start()
    try:
        found = merged([profile_rows([row], OPEN) for row in rows])
        assert len(found.columns) == 200
        assert found.left_out == 6 * 2_000 - sum(c.count for c in found.columns.values())
        del rows
        assert tracemalloc.get_traced_memory()[0] < 4_000_000
    finally:
        tracemalloc.stop()
    assert len(found.to_delta(65_536)) <= 65_536


def test_texts_that_are_all_long_and_different_take_bounded_memory() -> None:
    found = merged(
        [
            profile_rows([orjson.dumps({"a": f"{number}" + "x" * 2_000})] * 2, OPEN)
            for number in range(1_500)
        ]
    )
    assert found.columns["a"].distinct()[0] == pytest.approx(1_500, rel=0.02)
    assert len(found.to_delta(10**6)) < 10_000
    assert decoded(found.to_delta(10**6)) == found
