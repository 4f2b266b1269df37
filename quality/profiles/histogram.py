"""How are numbers spread over their range: as counts for a drawing, and by rank?"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from farandole.quality.profiles.number_form import Number, NumberCounts, canonical, nearest_double
from farandole.quality.profiles.quantile_sketch import QuantileSketch, representatives


class Histogram(NamedTuple):
    edges: list[float]
    """One more than there are counts, from the least number to the largest."""
    counts: list[int]


@dataclass(frozen=True, slots=True)
class Weights:
    """Numbers in their order, and how often each of them comes."""

    numbers: list[Number]
    counts: list[int]

    @classmethod
    def none(cls) -> Weights:
        return cls([], [])

    @classmethod
    def exact(cls, counts: NumberCounts) -> Weights:
        ordered = sorted(counts.items())
        return cls([canonical(each) for each, _ in ordered], [count for _, count in ordered])

    @classmethod
    def sketched(cls, sketch: QuantileSketch, minimum: Number, maximum: Number) -> Weights:
        """Return what stands for each bucket, within the range that is known exactly."""
        numbers = [min(max(n, minimum), maximum) for n in representatives(sketch.keys).tolist()]
        return cls(numbers, sketch.counts.tolist())


def quantile_of(weights: Weights, share: float) -> Number | None:
    """Return the number of rank floor(share · (total − 1)), counted from 0; None if there are
    none."""
    if not weights.counts:
        return None
    totals = list(accumulate(weights.counts))
    return weights.numbers[bisect_right(totals, int(share * (totals[-1] - 1)))]


def histogram_of(weights: Weights, bins: int) -> Histogram | None:
    """Return how many numbers lie in each of so many equal parts of their range, the last of which
    has its upper edge; one part if all numbers are equal, None if there are none."""
    if not weights.counts:
        return None
    numbers = np.array([nearest_double(each) for each in weights.numbers])
    least, largest = float(numbers[0]), float(numbers[-1])
    if least == largest:
        return Histogram([least, largest], [sum(weights.counts)])
    parts = np.linspace(0, 1, bins + 1)
    edges = least * (1 - parts) + largest * parts  # largest − least may be infinite
    edges[0], edges[-1] = least, largest
    counts = np.histogram(numbers, np.maximum.accumulate(edges), weights=weights.counts)[0]
    return Histogram(edges.tolist(), counts.astype(np.int64).tolist())
