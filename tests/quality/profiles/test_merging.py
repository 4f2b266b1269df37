"""Is a profile the same, bit for bit, in whatever order and grouping its parts are merged?"""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.profiling import profile_columns
from tests.quality.profiles.samples import (
    RAWS,
    decoded,
    few_kept,
    lines,
    merged,
    profiled,
)

MAX_BYTES = 10**7


@given(st.lists(RAWS, max_size=5), st.integers(0, 6), st.integers(1, 8), st.randoms())
@settings(max_examples=60, deadline=None)
def test_merged_parts_are_the_whole(
    parts: list[list[bytes]], values: int, columns: int, random: object
) -> None:
    with few_kept(values, columns):
        whole = profiled([raw for part in parts for raw in part])
        profiles = [profiled(part) for part in parts]
        random.shuffle(profiles)  # type: ignore[attr-defined]
        half = len(profiles) // 2
        assert merged(profiles) == whole
        assert merged([merged(profiles[half:]), merged(profiles[:half])]) == whole
        assert merged([decoded(each.to_delta(MAX_BYTES)) for each in profiles]) == whole


@given(st.lists(RAWS, min_size=3, max_size=3), st.integers(0, 4), st.data())
@settings(max_examples=30, deadline=None)
def test_trimmed_parts_are_merged_to_one_profile_in_any_order(
    parts: list[list[bytes]], values: int, data: st.DataObject
) -> None:
    with few_kept(values):
        deltas = [
            profiled(part).to_delta(data.draw(st.integers(150, 1_000), label="room"))
            for part in parts
        ]
        first, *others = [
            merged([decoded(each) for each in order]) for order in permutations(deltas)
        ]
        assert all(each == first for each in others)


def test_columns_that_overflow_are_merged_to_the_whole() -> None:
    whole = profiled(lines(0, 6_000))
    parts = [profiled(lines(first, first + 750)) for first in range(0, 6_000, 750)]
    assert merged(parts) == whole
    assert merged(parts[::-1]) == whole
    assert merged([merged(parts[::2]), merged(parts[1::2])]) == whole
    assert whole.columns["id"].overflowed
    assert not whole.columns["count"].overflowed


def test_arrays_of_any_length_are_merged_to_the_whole() -> None:
    prices = np.random.default_rng(3).lognormal(3, 1, 9_000)
    columns = {"price": prices, "cents": (prices * 100).astype(np.int64)}

    def part(first: int, last: int) -> EdgeProfile:
        of_part = {name: array[first:last] for name, array in columns.items()}
        return profile_columns(of_part, last - first, frozenset())

    cuts = [0, 3, 50, 900, 2_500, 9_000]
    parts = [part(first, last) for first, last in pairwise(cuts)]
    assert merged(parts[::-1]) == part(0, 9_000)


def test_a_column_that_is_personal_in_one_part_is_personal_in_the_whole() -> None:
    open_one, personal = {"p": np.arange(5)}, {"p": np.arange(3, 9)}
    parts = [
        profile_columns(open_one, 5, frozenset()), profile_columns(personal, 6, frozenset({"p"}))
    ]  # fmt: skip
    assert merged(parts) == merged(parts[::-1])
    column = merged(parts).columns["p"]
    assert (column.minimum, column.total, column.top(3)) == (None, None, [])
    assert column.distinct() == (9, False)
    assert column.count == 11


def test_sums_and_dates_of_texts_are_merged() -> None:
    texts = ["0.1", "2026-07-31", "19.90", "x", "2025-01-01T00:00Z"]
    parts = [profiled([orjson.dumps({"a": text})]) for text in texts]
    found = merged(parts).columns["a"]
    assert found.exact_amount == 20
    assert (found.earliest, found.latest) == (1_735_689_600_000_000, 1_785_456_000_000_000)
    assert merged(parts[::-1]) == merged(parts) == profiled([orjson.dumps({"a": t}) for t in texts])


def test_a_merge_leaves_the_other_profile_as_it_was() -> None:
    for first, last in ((0, 20), (0, 2_000)):
        part = profiled(lines(first, last))
        whole = merged([part])
        whole.merge(profiled(lines(5_000, 9_000)))
        assert part == profiled(lines(first, last))
