"""How do headers stand in the bytes of a record?

By Kafka's record format, https://kafka.apache.org/documentation/#recordheader: their number, then
of each the length of its name, the name, the length of its value, the value; a length of -1 is a
value that is null. All numbers are varints as protobuf's sint32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from farandole.events.record import Header

Part = tuple[int, bytes]
"""Some of a record's headers: how many, and their bytes."""

NULL = b"\x01"  # the varint of -1, in the place of a length
SMALL = (
    *(bytes((n << 1,)) for n in range(64)),
    *(bytes((low, high)) for high in range(1, 128) for low in range(128, 256, 2)),
)
"""The varints of all numbers below 8192: what is looked up need not be worked out."""


def varint(number: int) -> bytes:
    """Of a number that is not negative."""
    if number < len(SMALL):
        return SMALL[number]
    left = number << 1
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def sized(content: bytes | None) -> bytes:
    """Bytes behind their length."""
    return NULL if content is None else varint(len(content)) + content


def part(headers: Sequence[Header]) -> Part:
    """Headers that others are to be joined to."""
    return len(headers), _bytes(headers)


def encoded(headers: Sequence[Header]) -> bytes:
    """All the headers of a record."""
    return varint(len(headers)) + _bytes(headers)


def _bytes(headers: Iterable[Header]) -> bytes:
    return b"".join(sized(name.encode()) + sized(value) for name, value in headers)


def decoded(headers: bytes) -> list[Header]:
    """What `encoded` was given."""
    count, at = _number(headers, 0)
    found = []
    for _ in range(count):
        name, at = _content(headers, at)
        value, at = _content(headers, at)
        assert name is not None  # only a value may be null
        found.append((name.decode(), value))
    return found  # type: ignore[return-value] # null where a foreign record has it so


def _content(raw: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _number(raw, at)
    return (None, at) if length < 0 else (raw[at : at + length], at + length)


def _number(raw: bytes, at: int) -> tuple[int, int]:
    zigzag = shift = 0
    while True:
        zigzag |= (raw[at] & 0x7F) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 0x80:
            return zigzag >> 1 ^ -(zigzag & 1), at
