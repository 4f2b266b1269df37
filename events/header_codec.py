"""How are headers encoded in a record?

Kafka's record format is at https://kafka.apache.org/documentation/#recordheader: the number of
headers; then for each header the length of its name, the name, the length of its value, the value.
The length -1 stands for a null value. All numbers are varints as protobuf's sint32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from farandole.events.record import Header

HeaderBlock = tuple[int, bytes]
"""Some headers of a record: their number, and their bytes."""

NULL_LENGTH = b"\x01"  # the varint of -1, in the place of a length
SMALL_VARINTS = (
    *(bytes((n << 1,)) for n in range(64)),
    *(bytes((low, high)) for high in range(1, 128) for low in range(128, 256, 2)),
)
"""The varints of all numbers below 8192: a look-up is cheaper than the computation."""


def varint_bytes(number: int) -> bytes:
    """Return the varint of a number that is not negative."""
    if number < len(SMALL_VARINTS):
        return SMALL_VARINTS[number]
    left = number << 1
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def length_prefixed(content: bytes | None) -> bytes:
    """Return the content with its length before it; the length -1 if it is None."""
    return NULL_LENGTH if content is None else varint_bytes(len(content)) + content


def make_header_block(headers: Sequence[Header]) -> HeaderBlock:
    """Return headers in a form that others can be joined to."""
    return len(headers), _encode_each(headers)


def encode_headers(headers: Sequence[Header]) -> bytes:
    """Return all headers of a record, encoded."""
    return varint_bytes(len(headers)) + _encode_each(headers)


def _encode_each(headers: Iterable[Header]) -> bytes:
    return b"".join(_encoded_name(name) + length_prefixed(value) for name, value in headers)


@lru_cache(maxsize=1_000)  # nearly all headers have one of a few names
def _encoded_name(name: str) -> bytes:
    return length_prefixed(name.encode())


def decode_headers(headers: bytes) -> list[Header]:
    """Return the headers that `encode_headers` was given."""
    count, at = _read_varint(headers, 0)
    found: list[tuple[str, Any]] = []  # a foreign record may have a null value
    for _ in range(count):
        length, at = _read_varint(headers, at)
        name, at = headers[at : at + length].decode(), at + length
        # Nearly all values are shorter than 64 bytes: then the length is one byte.
        length = headers[at]
        if length < 0x80 and not length & 1:
            length, at = length >> 1, at + 1
        else:
            length, at = _read_varint(headers, at)
        if length < 0:
            found.append((name, None))
        else:
            found.append((name, headers[at : at + length]))
            at += length
    return found


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    zigzag = raw[at]
    if zigzag < 0x80:
        return zigzag >> 1 ^ -(zigzag & 1), at + 1
    zigzag = shift = 0
    while True:
        zigzag |= (raw[at] & 0x7F) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 0x80:
            return zigzag >> 1 ^ -(zigzag & 1), at
