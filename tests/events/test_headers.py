"""Do headers come out of their bytes as they went in?"""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.record.util import encode_varint
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.headers import SMALL, decoded, encoded, part, varint
from tests.events.made import headers


@given(headers)
def test_headers_are_decoded_as_they_were_encoded(given: list[Any]) -> None:
    assert decoded(encoded(given)) == given


@given(headers, headers)
def test_parts_are_joined_by_their_bytes(some: list[Any], more: list[Any]) -> None:
    (one, first), (other, second) = part(some), part(more)
    assert varint(one + other) + first + second == encoded(some + more)


def theirs(number: int) -> bytes:
    """The varint as aiokafka writes it."""
    written = bytearray()
    encode_varint(number, written.append)
    return bytes(written)


def test_what_is_looked_up_is_what_would_be_worked_out() -> None:
    assert [theirs(n) for n in range(len(SMALL))] == [*SMALL]


@given(st.integers(0, 2**31 - 1))
def test_a_varint_is_kafkas(number: int) -> None:
    assert varint(number) == theirs(number)


@pytest.mark.parametrize("number", [8191, 8192, 2**20 - 1, 2**20, 2**27 - 1, 2**27])
def test_a_varint_grows_by_a_byte_where_kafkas_does(number: int) -> None:
    assert varint(number) == theirs(number)
