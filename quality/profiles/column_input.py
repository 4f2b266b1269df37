"""How is a column read that was handed over as an array or as a sequence?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from farandole.quality.profiles.json_values import json_values

Numbers = NDArray[np.int64] | NDArray[np.float64]

_ARROW_TEXTS = ("string", "large_string", "string_view")
_ARROW_NUMBERS = ("int", "uint", "float", "double", "halffloat", "timestamp")


@dataclass(frozen=True, slots=True)
class GivenColumn:
    values: list[Any] | Numbers | Counter[str]
    """One of each row, of the types that JSON is read as; or different texts, with how often each
    comes."""
    nulls: int = 0
    """Those that are not among the values."""

    @property
    def rows(self) -> int:
        values = self.values
        return (values.total() if isinstance(values, Counter) else len(values)) + self.nulls


def read_column(column: Any) -> GivenColumn:
    """Return a column that is a NumPy array, masked or not, an Arrow array, or a sequence of Python
    values. Raise ValueError for an array of several dimensions."""
    if hasattr(column, "value_counts") and hasattr(column, "drop_null"):
        return _read_arrow(column)
    if isinstance(column, np.ma.MaskedArray):
        return _with_nulls(read_column(column.compressed()), column.size - int(column.count()))
    if isinstance(column, np.ndarray):
        return _read_array(column)
    return GivenColumn(json_values(column))


def _read_array(array: NDArray[Any]) -> GivenColumn:
    if array.ndim != 1:
        raise ValueError(f"a column has one dimension, not {array.ndim}")
    kind = array.dtype.kind
    if kind == "i" or (kind == "u" and (array.dtype.itemsize < 8 or not (array >> 63).any())):
        return GivenColumn(array.astype(np.int64, copy=False))
    if kind == "f":
        return GivenColumn(array.astype(np.float64, copy=False))
    if kind == "M":
        known = array[~np.isnat(array)]
        texts = np.datetime_as_string(known).tolist()
        return _with_nulls(GivenColumn(texts), len(array) - len(known))
    return GivenColumn(json_values(array.tolist()))


def _read_arrow(column: Any) -> GivenColumn:
    """Return a column of Arrow: its texts are counted there, its numbers not copied."""
    nulls = column.null_count
    column = column.drop_null()
    if str(column.type) in _ARROW_TEXTS:
        texts, counts = column.value_counts().flatten()
        counted = dict(zip(texts.to_pylist(), counts.to_pylist(), strict=True))
        return GivenColumn(Counter(counted), nulls=nulls)
    if str(column.type).startswith(_ARROW_NUMBERS):
        read = _read_array(column.to_numpy(zero_copy_only=False))
    else:
        read = GivenColumn(json_values(column.to_pylist()))
    return _with_nulls(read, nulls)


def _with_nulls(column: GivenColumn, nulls: int) -> GivenColumn:
    if isinstance(column.values, list):
        return GivenColumn([*column.values, *[None] * nulls])
    return GivenColumn(column.values, nulls=column.nulls + nulls)
