"""What do the numbers of an array say of their column?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.exact_sum import sum_of_doubles
from farandole.quality.profiles.top_values import MAX_VALUES

SAMPLE = MAX_VALUES + MAX_VALUES // 4
"""If the first so many values overflow, all do, and nobody needs to find what is different."""

_MAX_SUMMED = 1 << 26
"""Doubles whose sum is exact, however few of them are different."""

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]
NumbersT = TypeVar("NumbersT", Integers, Doubles)


def add_integers(column: ColumnProfile, integers: Integers) -> None:
    """Add values to a column that are integers of 64 bits."""
    if not len(integers):
        return
    column.kinds["int"] = column.kinds.get("int", 0) + len(integers)
    least, largest = int(integers.min()), int(integers.max())
    if not column.personal:
        column.include_range(least, largest)
        column.integer_sum += _sum(integers, max(-least, largest))
    different, counts = _different(integers, _in_narrow_range)
    _add(column, different, counts)


def add_doubles(column: ColumnProfile, doubles: Doubles) -> None:
    """Add values to a column that are doubles; what is not finite is counted apart."""
    if not len(doubles):
        return
    if len(doubles) > _MAX_SUMMED:
        add_doubles(column, doubles[:_MAX_SUMMED])
        add_doubles(column, doubles[_MAX_SUMMED:])
        return
    column.kinds["float"] = column.kinds.get("float", 0) + len(doubles)
    finite = np.isfinite(doubles)
    if not finite.all():
        column.not_finite += len(doubles) - int(finite.sum())
        doubles = doubles[finite]
        if not len(doubles):
            return
    different, counts = _different(doubles, _hundredths_in_narrow_range)
    if not column.personal:
        column.include_range(float(different.min()), float(different.max()))
        column.double_sum += sum_of_doubles(different, counts)
    _add(column, different, counts)


def _add(column: ColumnProfile, numbers: Integers | Doubles, counts: Integers | None) -> None:
    if counts is None or len(numbers) > MAX_VALUES:
        column.distribution.add_many_numbers(numbers, counts)
    else:
        counted = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        column.distribution.add_numbers(counted)


def _different(
    numbers: NumbersT,
    count_by_place: Callable[[NumbersT], tuple[NumbersT, Integers] | None],
) -> tuple[NumbersT, Integers | None]:
    """Return the different numbers and how often each comes; all of them and None if more than
    MAX_VALUES are different."""
    if (counted := count_by_place(numbers)) is not None:
        return counted
    if len(numbers) > SAMPLE and len(np.unique(numbers[:SAMPLE])) > MAX_VALUES:
        return numbers, None
    different, counts = np.unique(numbers, return_counts=True)
    return different, counts.astype(np.int64, copy=False)


def _in_narrow_range(integers: Integers) -> tuple[Integers, Integers] | None:
    """Return the different integers and how often each comes, or None if they are far apart. To
    count them by their place in their range costs a tenth of sorting them."""
    least = int(integers.min())
    if int(integers.max()) - least >= 4 * len(integers):
        return None
    found = np.bincount(integers - least)
    places = np.flatnonzero(found)
    return places + least, found[places]


def _hundredths_in_narrow_range(doubles: Doubles) -> tuple[Doubles, Integers] | None:
    """Return the same of doubles with at most two decimals, as those of money; else None."""
    with np.errstate(over="ignore"):
        hundredths = np.rint(doubles * 100)
    if (np.abs(hundredths) < 2**53).all() and (hundredths / 100 == doubles).all():
        counted = _in_narrow_range(hundredths.astype(np.int64))
        return counted and (counted[0] / 100, counted[1])
    return None


def _sum(integers: Integers, largest: int) -> int:
    if largest * len(integers) < 2**63:
        return int(integers.sum())
    return (int((integers >> 32).sum()) << 32) + int((integers & 0xFFFFFFFF).sum())
