"""How far is one distribution of a column from another?

Both measures compare the finite numbers of two columns, by values or by the buckets of their
sketches, which are the same for every column; or, of columns without numbers, how often each
boolean or text comes. They say nothing of nulls and of values of other kinds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.quantile_sketch import Keys, QuantileSketch

PARTS = 10
"""Into so many parts of about equal size the numbers of the reference are divided."""
_MAX_CATEGORIES = 20
"""So many of the most frequent values are parts of their own, the others are one."""

Sizes = NDArray[np.float64]


def psi(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """Return the population stability index: the sum of (q − p) · ln(q / p) over parts, of which a
    share p of the reference and q of the current column lies in each. None if it is not known:
    a column is empty, or without numbers, and keeps no values.

    The parts are deciles of the reference, or its most frequent values. By custom, less than 0.1 is
    no change and more than 0.25 a large one (Siddiqi 2006, Credit Risk Scorecards, p. 136). A
    part that is empty in one column counts as half a row there.
    """
    sizes = _aligned_sizes(reference, current)
    if sizes is None:
        return None
    used = sizes[0] + sizes[1] > 0
    p, q = (np.maximum(each[used], 0.5) / each.sum() for each in sizes)
    return float(((q - p) * np.log(q / p)).sum())


def ks(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """Return the statistic of Kolmogorov and Smirnov: the largest difference between the shares of
    numbers up to any place, 0 to 1. None if one of the columns has no numbers, or none is known.

    Within a bucket of a sketch the numbers are not told apart, so the difference may be larger by
    what lies in one bucket. (Massey 1951, https://doi.org/10.1080/01621459.1951.10500769)
    """
    numbers = _numbers(reference, current)
    if numbers is None:
        return None
    totals = [np.cumsum(each) / each.sum() for each in numbers]
    return float(np.abs(totals[0] - totals[1]).max())


def _aligned_sizes(one: ColumnProfile, other: ColumnProfile) -> tuple[Sizes, Sizes] | None:
    """Return how many values of either column lie in each part of the first one."""
    if (numbers := _numbers(one, other)) is not None:
        before = np.cumsum(numbers[0]) - numbers[0]
        part = np.minimum(before * PARTS / numbers[0].sum(), PARTS - 1).astype(np.int64)
        first, second = (np.bincount(part, weights=each).astype(np.float64) for each in numbers)
        return first, second
    if one.finite_numbers or other.finite_numbers:
        return None
    known, current = _categories(one), _categories(other)
    if not known or not current:
        return None
    frequent = sorted(known, key=lambda value: -known[value])[:_MAX_CATEGORIES]
    sizes = [[each.get(value, 0) for value in frequent] for each in (known, current)]
    rest = [
        sum(each.values()) - sum(size) for each, size in zip((known, current), sizes, strict=True)
    ]
    if any(rest):
        sizes = [[*size, other_values] for size, other_values in zip(sizes, rest, strict=True)]
    return np.array(sizes[0], np.float64), np.array(sizes[1], np.float64)


def _numbers(one: ColumnProfile, other: ColumnProfile) -> tuple[Sizes, Sizes] | None:
    """Return how many numbers of either column there are at each place, in order; None if one of
    them has no numbers."""
    values, others = one.distribution.values, other.distribution.values
    if values is not None and others is not None:
        numbers, other_numbers = values.numbers, others.numbers
        if not numbers or not other_numbers:
            return None
        places = sorted(numbers.keys() | other_numbers.keys())
        sizes = ([each.get(place, 0) for place in places] for each in (numbers, other_numbers))
        first, second = (np.array(each, np.float64) for each in sizes)
        return first, second
    sketches = one.distribution.number_sketch(), other.distribution.number_sketch()
    if not all(sketches):
        return None
    keys = np.union1d(sketches[0].keys, sketches[1].keys)
    return _at(sketches[0], keys), _at(sketches[1], keys)


def _at(sketch: QuantileSketch, keys: Keys) -> Sizes:
    sizes = np.zeros(len(keys))
    sizes[np.searchsorted(keys, sketch.keys)] = sketch.counts
    return sizes


def _categories(column: ColumnProfile) -> Mapping[object, int]:
    """Return how often each boolean and each text comes, as far as values are kept."""
    values = column.distribution.values
    if values is None:
        return {}
    counts: dict[object, int] = {("boolean", each): n for each, n in values.booleans.items()}
    counts.update(values.texts)
    counts.update(values.long_texts)
    return counts
