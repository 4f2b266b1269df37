"""Do figures tell two profiles apart just if these are not equal?"""

from __future__ import annotations

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.quality.profiles.figures import ROWS, figures_of
from tests.quality.profiles.samples import RAWS, decoded, few_kept, lines, merged, profiled

MAX_BYTES = 10**7


@given(RAWS, RAWS, st.integers(0, 6), st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_figures_are_equal_just_if_profiles_are(
    one: list[bytes], other: list[bytes], values: int, columns: int
) -> None:
    with few_kept(values, columns):
        first, second = profiled(one), profiled(other)
        assert (figures_of(first) == figures_of(second)) == (first == second)
        read = decoded(merged([second, first]).to_delta(MAX_BYTES))
        assert figures_of(read) == figures_of(profiled([*one, *other]))


def test_a_number_has_one_form_whichever_came_first() -> None:
    whole, doubles = profiled([b'{"n": 1}', b'{"n": 2}']), profiled([b'{"n": 1.0}', b'{"n": 2}'])
    assert figures_of(whole)["n"].spread == figures_of(doubles)["n"].spread


def test_what_was_left_out_is_not_among_the_figures() -> None:
    profile = profiled(lines(0, 900))
    short = figures_of(decoded(profile.to_delta(2_000)))
    assert short["price"].spread is None
    assert short["price"].exact == figures_of(profile)["price"].exact
    cut = figures_of(decoded(profile.to_delta(700)))
    assert cut.keys() == {ROWS}
    assert cut[ROWS].spread is None


def test_a_column_without_a_name_is_not_the_rows() -> None:
    figures = figures_of(profiled([orjson.dumps({"": 5})]))
    assert figures[""].exact["minimum"] == 5
    assert figures[ROWS].exact == {"rows": 1}
