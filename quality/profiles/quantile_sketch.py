"""How are numbers spread, to within 1 % of each of them?

A DDSketch (Masson, Rim and Lee 2019, https://arxiv.org/abs/1908.10693) whose buckets are fixed, so
that two of them are added bucket by bucket, in any order. The logarithm is interpolated linearly
between powers of two, as sketches-java's BitwiseLinearlyInterpolatedMapping does: the bucket of a
double is read off its bits, the same on every machine, where a logarithm is not. 64 buckets
between two powers of two make the relative error of a quantile at most 1/129, 0.8 %.

Buckets reach from 2^-64 to 2^64 (5e-20 to 2e19): a number nearer to 0 counts as 0, and a larger one
counts into the last bucket. The numbers below 0 have buckets of their own. There are 16,385 of
them, 200 KB if all are used.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from farandole.quality.profiles.packed import pack_json, unpack_json

_BITS = 6
SUBBUCKETS = 1 << _BITS  # between two powers of two
_OCTAVES = 64
BUCKETS = 2 * _OCTAVES * SUBBUCKETS  # of positive numbers
_SHIFT = np.int64(52 - _BITS)
_BEFORE_FIRST = ((1023 - _OCTAVES) << _BITS) - 1
MAX_COUNT = 2**53

Keys = NDArray[np.int64]
Counts = NDArray[np.int64]
_NONE: Keys = np.empty(0, np.int64)  # never changed in place, as no array of a sketch is


class QuantileSketch:
    """Counts by bucket: sorted keys, and as many counts. 0 is the key of zero, 1 and more those of
    positive numbers from the least one up, −1 and less those of the negative ones."""

    __slots__ = ("counts", "keys")

    def __init__(self) -> None:
        self.keys: Keys = _NONE
        self.counts: Counts = _NONE

    def add(self, doubles: NDArray[np.float64], counts: Counts | None = None) -> None:
        """Add finite numbers, each as often as `counts` says; once if that is None."""
        if not len(doubles):
            return
        keys = bucket_keys(doubles)
        first = int(keys.min())
        found = np.bincount(keys - first, weights=counts).astype(np.int64)
        used = np.flatnonzero(found)
        self._add(used + first, found[used])

    def merge(self, other: QuantileSketch) -> None:
        """Add all numbers of another sketch."""
        self._add(other.keys, other.counts)

    def total(self) -> int:
        """Return how many numbers were added."""
        return int(self.counts.sum())

    def quantile(self, share: float) -> float:
        """Return about the number below which this share of them lies, 0 to 1: by rank, the number
        of index floor(share · (total − 1)). Raise ValueError if there are none."""
        if not len(self.keys):
            raise ValueError("there is no quantile of no numbers")
        rank = int(share * (self.total() - 1))
        slot = int(np.searchsorted(np.cumsum(self.counts), rank, side="right"))
        return float(representatives(self.keys[slot : slot + 1])[0])

    def copy(self) -> QuantileSketch:
        copied = QuantileSketch()
        copied.keys, copied.counts = self.keys, self.counts  # never changed in place
        return copied

    def __bool__(self) -> bool:
        return len(self.keys) > 0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, QuantileSketch)
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def to_wire(self) -> object:
        """Return the buckets as JSON: the first key and the gaps up to the others; the counts."""
        return pack_json([np.diff(self.keys, prepend=0).tolist(), self.counts.tolist()])

    @classmethod
    def from_wire(cls, wire: object) -> QuantileSketch:
        """Return the sketch that `to_wire` wrote. Raise ValueError for anything else."""
        match unpack_json(wire):
            case [list(gaps), list(counts)] if (
                len(gaps) == len(counts) <= 2 * BUCKETS + 1
                and _whole(gaps, -BUCKETS, 2 * BUCKETS)
                and _whole(counts, 1, MAX_COUNT)
            ):
                read = cls()
                read.keys = np.cumsum(np.array(gaps, np.int64))
                read.counts = np.array(counts, np.int64)
                if not len(gaps) or ((np.diff(read.keys) > 0).all() and read.keys[-1] <= BUCKETS):
                    return read
        raise ValueError("a quantile sketch is a list of keys and one of counts")

    def _add(self, keys: Keys, counts: Counts) -> None:
        if not len(self.keys):
            self.keys, self.counts = keys, counts
        elif len(keys):
            merged, slots = np.unique(np.concatenate([self.keys, keys]), return_inverse=True)
            sums = np.zeros(len(merged), np.int64)
            np.add.at(sums, slots, np.concatenate([self.counts, counts]))
            self.keys, self.counts = merged, sums


def bucket_keys(doubles: NDArray[np.float64]) -> Keys:
    """Return the key of the bucket of each finite double."""
    bits = np.abs(doubles).view(np.int64) >> _SHIFT
    keys = np.minimum(np.maximum(bits - _BEFORE_FIRST, 0), BUCKETS)
    signed: Keys = np.where(doubles < 0, -keys, keys)
    return signed


def bucket_edges(keys: Keys) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and the upper edge of each bucket. Those of zero are 0 and 0."""
    sizes = np.abs(keys)
    near, far = _edge(sizes), _edge(sizes + 1)
    near, far = np.where(keys == 0, 0.0, near), np.where(keys == 0, 0.0, far)
    return np.where(keys < 0, -far, near), np.where(keys < 0, -near, far)


def representatives(keys: Keys) -> NDArray[np.float64]:
    """Return the number that stands for each bucket, as near as can be to all of its numbers."""
    lower, upper = bucket_edges(keys)
    width = lower + upper
    return np.divide(2 * lower * upper, width, out=np.zeros(len(keys)), where=width != 0)


def _edge(sizes: Keys) -> NDArray[np.float64]:
    bits = (sizes + _BEFORE_FIRST) << _SHIFT
    return bits.view(np.float64)


def _whole(numbers: Iterable[object], least: int, most: int) -> bool:
    """Return True if these are integers within a range."""
    return all(type(each) is int and least <= each <= most for each in numbers)
