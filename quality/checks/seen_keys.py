"""Which keys have come before?

Keys are known by 64 bits of their hash, sorted, in arrays of falling length, as a log-structured
merge tree keeps them (O'Neil et al., 1996): a new array is merged with those that are not much
longer. With a million keys the chance that two have one hash is 3 in 100 million.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from farandole.quality.checks.value_text import value_text
from farandole.quality.profiles.value_hash import Hashes

_TEXT, _OTHER = 3, 5  # seeds: the text `1` is not the number 1
_RATIO = 2


class SeenKeys:
    """A set of keys."""

    def __init__(self) -> None:
        self._sorted: list[Hashes] = []
        """The longest first."""

    def __len__(self) -> int:
        return sum(map(len, self._sorted))

    def add(self, hashes: Hashes) -> tuple[Sequence[int], Hashes]:
        """Add keys in their order. Return the places of those that have come before, also among
        these, and the hashes of all others."""
        order = np.argsort(hashes, kind="stable")  # of equal ones the first stays first
        ordered = hashes[order]
        again = np.zeros(len(ordered), bool)
        again[1:] = ordered[1:] == ordered[:-1]
        for known in self._sorted:
            at = np.minimum(np.searchsorted(known, ordered), len(known) - 1)
            again |= known[at] == ordered
        new = ordered[~again]
        if len(new):
            self._insert(new)
        return sorted(order[again].tolist()), new

    def _insert(self, new: Hashes) -> None:
        while self._sorted and len(self._sorted[-1]) <= _RATIO * len(new):
            new = np.sort(np.concatenate([self._sorted.pop(), new]))
        self._sorted.append(new)


def hash_keys(values: Sequence[Any]) -> Hashes:
    """Return the hash of each scalar value: 1 and 1.0 are one, `true`, 1 and `"1"` are three."""
    return np.fromiter(map(_hash_key, values), np.uint64, len(values))


def _hash_key(value: Any) -> int:
    if isinstance(value, str):
        return xxh3_64_intdigest(value.encode("utf-8", "surrogatepass"), _TEXT)
    return xxh3_64_intdigest(value_text(value).encode(), _OTHER)
