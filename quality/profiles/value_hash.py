"""Which 64 bits stand for a value, in every process?

Numbers that are equal have one hash, whether JSON wrote `1` or `1.0`: that of the eight bytes of
the double. An integer that no double equals is hashed by its own eight bytes, or by its digits
where it has more than 64 bits. A text is hashed by its UTF-8. Each of these has a seed of its own,
so that the text `1` is not the number 1. The hash is XXH3 with 64 bits
(https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

_DOUBLE, _INTEGER, _DIGITS, _TEXT, _BOOLEAN, _ROW = 0, 1, 2, 3, 4, 5
# XXH3's constants for inputs of four to eight bytes.
_SECRET = 0x1CAD21F72C81017C ^ 0xDB979083E96DD4DE
_PRIME = np.uint64(0x9FB21C651E98DF25)
_ALL = 2**64 - 1

Hashes = NDArray[np.uint64]


def hash_doubles(doubles: NDArray[np.float64]) -> Hashes:
    """Return the hash of each finite double."""
    return _hash_words((doubles + 0.0).view(np.uint64), _DOUBLE)  # + 0.0: −0 is 0


def hash_integers(integers: NDArray[np.int64]) -> Hashes:
    """Return the hash of each integer: that of the double which equals it, if there is one."""
    doubles = integers.astype(np.float64)
    hashes = hash_doubles(doubles)
    if len(integers) and max(int(integers.max()), -int(integers.min())) > 2**53:
        inside = doubles < 2.0**63
        other = ~inside | (np.where(inside, doubles, 0.0).astype(np.int64) != integers)
        hashes[other] = _hash_words(integers[other].view(np.uint64), _INTEGER)
    return hashes


def hash_numbers(numbers: Collection[int | float]) -> Hashes:
    """Return the hash of each finite number, in no particular order."""
    types = set(map(type, numbers))
    if types == {float}:
        return hash_doubles(np.fromiter(numbers, np.float64, len(numbers)))
    if types == {int}:
        with suppress(OverflowError):  # more than 64 bits
            return hash_integers(np.fromiter(numbers, np.int64, len(numbers)))
    return _hash_each(numbers)


def hash_texts(texts: Sequence[str]) -> Hashes:
    """Return the hash of each text. Raise UnicodeEncodeError for a lone surrogate."""
    return np.fromiter(
        map(xxh3_64_intdigest, map(str.encode, texts), repeat(_TEXT)), np.uint64, len(texts)
    )


def hash_text(text: str) -> int:
    """Return the hash of one text. Raise UnicodeEncodeError for a lone surrogate."""
    return xxh3_64_intdigest(text.encode(), _TEXT)


def hash_rows(raws: Sequence[bytes]) -> Hashes:
    """Return the hash of each row, which is a text of JSON: rows are equal if their bytes are."""
    return np.fromiter(map(xxh3_64_intdigest, raws, repeat(_ROW)), np.uint64, len(raws))


def hash_booleans(booleans: Iterable[bool]) -> Hashes:
    """Return the hash of each boolean."""
    return np.array([xxh3_64_intdigest(b"%d" % each, _BOOLEAN) for each in booleans], np.uint64)


def joined(hashes: Sequence[Hashes]) -> Hashes:
    """Return all of these hashes in one array."""
    if len(hashes) == 1:
        return hashes[0]
    return np.concatenate(hashes) if hashes else np.empty(0, np.uint64)


def is_double(integer: int) -> bool:
    """Return True if some double equals the integer."""
    try:
        return int(float(integer)) == integer
    except OverflowError:
        return False


def _hash_each(numbers: Iterable[int | float]) -> Hashes:
    doubles: list[float] = []
    integers: list[int] = []
    digits: list[int] = []
    for number in numbers:
        if isinstance(number, float):
            doubles.append(number)
        elif -(2**63) <= number < 2**63:
            integers.append(number)
        elif is_double(number):
            doubles.append(float(number))
        else:
            digits.append(number)
    return np.concatenate(
        [
            hash_doubles(np.array(doubles, np.float64)),
            hash_integers(np.array(integers, np.int64)),
            np.array([xxh3_64_intdigest(b"%d" % each, _DIGITS) for each in digits], np.uint64),
        ]
    )


def _hash_words(words: NDArray[np.uint64], seed: int) -> Hashes:
    """Return XXH3 of the eight bytes of each word, in little-endian order."""
    flip = (_SECRET - (seed ^ int.from_bytes(seed.to_bytes(4, "little"), "big") << 32)) & _ALL
    keyed = (words << np.uint64(32)) | (words >> np.uint64(32))
    keyed ^= np.uint64(flip)
    mixed: Hashes = keyed ^ _rotated(keyed, 49) ^ _rotated(keyed, 24)
    mixed *= _PRIME
    mixed ^= (mixed >> np.uint64(35)) + np.uint64(8)
    mixed *= _PRIME
    mixed ^= mixed >> np.uint64(28)
    return mixed


def _rotated(words: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))
