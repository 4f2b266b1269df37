"""What are the medians and quantiles of rows in which values may be missing?"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def row_medians(rows: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the median of each row, NaN where it has no value, and how many values it has."""
    counts = rows.shape[1] - np.count_nonzero(np.isnan(rows), axis=1)
    if not rows.size:
        return np.full(len(rows), np.nan), counts
    ordered = np.sort(rows, axis=1)  # NaN comes last
    return _middle(ordered, counts), counts


def _middle(ordered: Floats, counts: NDArray[np.intp]) -> Floats:
    each = np.arange(len(ordered))
    lower = ordered[each, np.maximum(counts - 1, 0) // 2]
    upper = ordered[each, np.minimum(counts // 2, ordered.shape[1] - 1)]
    middle: Floats = (lower + upper) / 2
    return middle


def ordered_quantile(ordered: Floats, counts: NDArray[np.intp], share: float) -> Floats:
    """Return the value at `share` of each row of sorted rows (NaN last), rounded up to a value
    that is there; NaN where a row has none."""
    if not ordered.size:
        return np.full(len(ordered), np.nan)
    at = np.clip(np.ceil(share * counts).astype(np.intp) - 1, 0, ordered.shape[1] - 1)
    quantile: Floats = ordered[np.arange(len(ordered)), at]
    return quantile
