"""Are headers decoded as they were encoded?"""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.record.util import encode_varint
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.header_codec import (
    SMALL_VARINTS,
    decode_headers,
    encode_headers,
    make_header_block,
    varint_bytes,
)
from tests.events.made import headers


@given(headers)
def test_headers_are_decoded_as_they_were_encoded(given: list[Any]) -> None:
    assert decode_headers(encode_headers(given)) == given


@given(headers, headers)
def test_parts_are_joined_by_their_bytes(some: list[Any], more: list[Any]) -> None:
    (one, first), (other, second) = make_header_block(some), make_header_block(more)
    assert varint_bytes(one + other) + first + second == encode_headers(some + more)


def theirs(number: int) -> bytes:
    """The varint as aiokafka writes it."""
    written = bytearray()
    encode_varint(number, written.append)
    return bytes(written)


def test_varints_in_the_table_are_those_that_would_be_computed() -> None:
    assert [theirs(n) for n in range(len(SMALL_VARINTS))] == [*SMALL_VARINTS]


@given(st.integers(0, 2**31 - 1))
def test_a_varint_is_kafkas(number: int) -> None:
    assert varint_bytes(number) == theirs(number)


@pytest.mark.parametrize("number", [8191, 8192, 2**20 - 1, 2**20, 2**27 - 1, 2**27])
def test_a_varint_grows_by_a_byte_where_kafkas_does(number: int) -> None:
    assert varint_bytes(number) == theirs(number)
