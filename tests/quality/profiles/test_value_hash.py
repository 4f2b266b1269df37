"""Have equal values one hash, and others another?"""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from farandole.quality.profiles.value_hash import (
    hash_booleans,
    hash_doubles,
    hash_integers,
    hash_numbers,
    hash_text,
    hash_texts,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE))
def test_a_double_is_hashed_as_xxh3_hashes_its_bytes(doubles: list[float]) -> None:
    assert hash_doubles(np.array(doubles, np.float64)).tolist() == [
        xxh3_64_intdigest(struct.pack("<d", double + 0.0)) for double in doubles
    ]


@given(INT64 | st.sampled_from([2**53, 2**53 + 1, 2**62, 2**63 - 1, 2**63 - 1024, -(2**63)]))
def test_an_integer_has_the_hash_of_the_double_that_equals_it_or_its_own(integer: int) -> None:
    hashed = int(hash_integers(np.array([integer]))[0])
    assert (hashed == int(hash_doubles(np.array([float(integer)]))[0])) == (
        int(float(integer)) == integer
    )


@given(st.lists(st.integers() | FINITE | st.sampled_from([2**64, 2.0**64, -0.0, 10**400])))
def test_numbers_are_hashed_alike_alone_and_together(numbers: list[int | float]) -> None:
    alone = {int(hash_numbers([number])[0]) for number in numbers}
    assert set(hash_numbers(numbers).tolist()) == alone
    assert len(alone) == len(set(numbers))


def test_true_and_1_and_the_text_1_are_three_values() -> None:
    hashes = [hash_booleans([True]), hash_numbers([1]), hash_texts(["1"]), hash_numbers([1.0])]
    assert len({int(each[0]) for each in hashes}) == 3
    assert hash_text("1") == hashes[2][0]
