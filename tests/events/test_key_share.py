"""Is a key always in or out of a share, and is the share as large as it says?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.key_share import share_test

shares = st.floats(0, 1)
KEYS = [b"%d" % n for n in range(100_000)]


@pytest.mark.parametrize("salt", ["price", "shop.validate"])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.333, 0.5, 0.9])
def test_a_share_of_100000_keys_is_within_half_a_point(share: float, salt: str) -> None:
    chosen = sum(map(share_test(share, salt), KEYS))
    assert abs(chosen / len(KEYS) - share) < 0.005


@given(st.binary(), shares, shares, st.text())
def test_shares_nest(key: bytes, one: float, other: float, salt: str) -> None:
    smaller, larger = sorted((one, other))
    assert share_test(smaller, salt)(key) <= share_test(larger, salt)(key)


@given(st.binary(), shares)
def test_a_key_stays_where_it_is(key: bytes, share: float) -> None:
    assert share_test(share, "price")(key) == share_test(share, "price")(bytes(key))


@given(st.binary())
def test_everybody_is_in_the_whole_and_nobody_in_nothing(key: bytes) -> None:
    assert share_test(1, "price")(key)
    assert not share_test(0, "price")(key)


def test_two_stages_choose_independently() -> None:
    price, load = share_test(0.1, "price"), share_test(0.1, "load")
    both = sum(price(key) and load(key) for key in KEYS)
    assert abs(both / len(KEYS) - 0.01) < 0.002


def test_the_choice_is_the_same_for_ever() -> None:
    """Of another release, too: the keys of a canary must not change places in a deployment."""
    assert [n for n in range(40) if share_test(0.1, "price")(b"%d" % n)] == [17, 33]
