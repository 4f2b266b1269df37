"""What do values of one type, as JSON is read, say of their column?

Different values are found first, by counting; whatever can be said of a value is then said once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import mul
from types import NoneType
from typing import Any

import numpy as np

from farandole.quality.profiles.column_arrays import add_doubles
from farandole.quality.profiles.column_profile import ColumnProfile, Extent, added, joined
from farandole.quality.profiles.exact_sum import sum_of_doubles, units_of
from farandole.quality.profiles.number_form import LIMIT
from farandole.quality.profiles.text_formats import read_texts

_FEW = 40
"""Up to so many different doubles are summed one by one, which is faster then."""
_KIND_NAMES = {
    int: "int", float: "float", bool: "bool", str: "text", dict: "object", list: "list",
    NoneType: "null",
}  # fmt: skip


def add_integer_values(column: ColumnProfile, integers: Sequence[int]) -> None:
    """Add integers of any size to a column."""
    column.kinds = added(column.kinds, {"int": len(integers)})
    counts = Counter(integers)
    least, largest = min(counts), max(counts)
    if largest >= LIMIT or least <= -LIMIT:
        finite = [each for each in integers if abs(each) < LIMIT]
        column.not_finite += len(integers) - len(finite)
        if not finite:
            return
        integers, counts = finite, Counter(finite)
        least, largest = min(counts), max(counts)
    if not column.personal:
        column.include_range(least, largest)
        column.integer_sum += sum(integers)
    column.distribution.add_numbers(counts)


def add_double_values(column: ColumnProfile, doubles: Sequence[float]) -> None:
    """Add doubles to a column; what is not finite is counted apart."""
    counts = Counter(doubles)
    if not math.isfinite(sum(counts)):
        add_doubles(column, np.array(doubles, np.float64))
        return
    column.kinds = added(column.kinds, {"float": len(doubles)})
    if not column.personal:
        column.include_range(min(counts), max(counts))
        if len(counts) <= _FEW:
            column.double_sum += sum(units_of(each) * count for each, count in counts.items())
        else:
            column.double_sum += sum_of_doubles(
                np.fromiter(counts, np.float64, len(counts)),
                np.fromiter(counts.values(), np.int64, len(counts)),
            )
    column.distribution.add_numbers(counts)


def add_texts(column: ColumnProfile, counts: Mapping[str, int]) -> None:
    """Add different texts without lone surrogates to a column that has none yet, with how often
    each comes."""
    column.kinds["text"] = sum(counts.values())
    lengths = list(map(len, counts))
    total = sum(map(mul, lengths, counts.values()))
    column.lengths = Extent(min(lengths), max(lengths), total)
    read = read_texts(counts)
    column.formats = read.formats
    if not column.personal:
        column.text_sum = read.total
        column.earliest, column.latest = read.earliest, read.latest
    column.distribution.add_texts(counts)


def add_booleans(column: ColumnProfile, booleans: Sequence[bool]) -> None:
    column.kinds = added(column.kinds, {"bool": len(booleans)})
    column.distribution.add_booleans(Counter(booleans))


def add_lists(column: ColumnProfile, lists: Sequence[list[Any]]) -> None:
    """Add the lengths of lists to a column, and the kinds of their items."""
    column.kinds = added(column.kinds, {"list": len(lists)})
    lengths = list(map(len, lists))
    extent = Extent(min(lengths), max(lengths), sum(lengths))
    column.list_lengths = joined(column.list_lengths, extent)
    types = Counter(map(type, chain.from_iterable(lists)))
    items = {_KIND_NAMES[each]: count for each, count in types.items()}
    column.items = added(column.items, items)
