"""How are long parts of a profile written into JSON in few bytes?

What is short stands as it is. What is longer is compressed, where that makes it shorter, and is
then a text: base64 of zlib. The bytes of a compressed text may differ between versions of zlib;
what they stand for does not.
"""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from typing import Any

import orjson

_LEVEL = 1
"""Level 6 saves about a tenth of the bytes and takes twice the time."""
_PLAIN_BYTES = 200
MAX_UNPACKED_BYTES = 4 * 1024 * 1024
"""Bytes that a packed text may stand for: ten times what the longest part of a column needs."""


def pack_json(value: list[Any] | dict[str, Any]) -> Any:
    """Return a list or an object in its shortest form: itself, or a compressed text."""
    plain = orjson.dumps(value)
    if len(plain) <= _PLAIN_BYTES:
        return value
    packed = pack_bytes(plain)
    return packed if len(packed) < len(plain) else value


def unpack_json(wire: object) -> object:
    """Return the value that `pack_json` wrote. Raise ValueError if a text is no packed JSON."""
    return orjson.loads(unpack_bytes(wire)) if isinstance(wire, str) else wire


def pack_bytes(plain: bytes) -> str:
    """Return bytes as base64 of zlib."""
    return b64encode(zlib.compress(plain, _LEVEL)).decode()


def unpack_bytes(wire: object) -> bytes:
    """Return the bytes that `pack_bytes` wrote. Raise ValueError for anything else, and for more
    than MAX_UNPACKED_BYTES."""
    if not isinstance(wire, str):
        raise ValueError("packed bytes are a text")
    try:
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(b64decode(wire, validate=True), MAX_UNPACKED_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"not packed bytes: {error}") from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("packed bytes are cut off, or too many")
    return plain
