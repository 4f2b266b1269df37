"""Does a delta fit, with what must stay exact?"""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.edge_profile import EdgeProfile
from tests.quality.profiles.samples import RAWS, decoded, lines, merged, profiled

LINES = profiled(lines(0, 900))
WHOLE = len(LINES.to_delta(10**6))
"""Bytes."""


def bytes_of_columns() -> int:
    without = LINES.copy()
    without.registers = None
    return len(without.to_delta(10**6))


def exact(column: ColumnProfile) -> tuple[object, ...]:
    return (
        column.count, column.nulls, column.missing, column.kinds, column.minimum, column.maximum,
        column.exact_amount, column.lengths, column.formats, column.latest,
    )  # fmt: skip


@given(RAWS, st.integers(100, 3_000))
@settings(max_examples=60, deadline=None)
def test_a_delta_is_as_short_as_is_asked_and_its_sums_stay_exact(
    raws: list[bytes], room: int
) -> None:
    profile = profiled(raws)
    delta = profile.to_delta(room)
    assert len(delta) <= room
    trimmed = decoded(delta)
    assert (trimmed.rows, trimmed.unreadable) == (profile.rows, profile.unreadable)
    for name, column in trimmed.columns.items():
        assert exact(column) == exact(profile.columns[name])
    assert trimmed.cut == (trimmed.columns.keys() != profile.columns.keys())


def test_the_registers_of_rows_go_first_and_are_unknown_for_good() -> None:
    trimmed = decoded(LINES.to_delta(WHOLE - 1))
    assert (trimmed.registers, trimmed.columns) == (None, LINES.columns)
    assert merged([LINES, trimmed, LINES]).repeated is None


def test_top_values_go_before_sketches_and_whole_columns_last() -> None:
    whole = bytes_of_columns()
    rooms = [whole, whole - 1, whole * 3 // 4, 3_000, 1_500, 500]
    deltas = [decoded(LINES.to_delta(room)) for room in rooms]
    marks = [sorted({m for c in each.columns.values() for m in c.trimmed}) for each in deltas]
    assert marks == [[], ["values"], ["values"], *[["sketches", "values"]] * 3]
    assert [each.cut for each in deltas] == [False] * 5 + [True]
    assert deltas[0].columns == LINES.columns
    assert decoded(LINES.to_delta(WHOLE)) == LINES


def test_the_longest_columns_lose_their_values_first() -> None:
    trimmed = decoded(LINES.to_delta(bytes_of_columns() - 1))
    assert [name for name, c in trimmed.columns.items() if c.trimmed] == ["price"]
    assert trimmed.columns["price"].distinct()[0] == pytest.approx(900, rel=0.02)


def test_a_column_says_for_good_that_something_was_left_out() -> None:
    trimmed = decoded(LINES.to_delta(2_000))
    whole = merged([LINES, trimmed, LINES])
    assert whole.columns["price"].trimmed == {"values", "sketches"}
    assert whole.columns["price"].total == pytest.approx(3 * sum(n * 0.37 for n in range(900)))
    assert whole.columns["price"].distinct()[0] == pytest.approx(900, rel=0.02)


def test_values_of_columns_that_are_cut_are_counted_as_left_out() -> None:
    trimmed = decoded(LINES.to_delta(700))
    kept = sum(c.count + c.nulls for c in trimmed.columns.values())
    assert trimmed.cut
    assert trimmed.left_out == 900 * len(LINES.columns) - kept
    assert merged([LINES, trimmed]).cut


def test_a_delta_leaves_the_profile_as_it_was() -> None:
    before = orjson.dumps(LINES.to_json())
    LINES.to_delta(1_000)
    assert orjson.dumps(LINES.to_json()) == before


def test_room_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least"):
        EdgeProfile().to_delta(20)
