"""What would two simple detectors say of a series?

Both are what is usually tried first. Each has one setting for all series, the best of a few in
hindsight, which the detector that they stand beside has not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def windowed_gaussian(
    times: Floats, values: Floats, *, deviations: float, width: int = 288
) -> NDArray[np.bool_]:
    """Return which values are so many standard deviations from the mean of the `width` before."""
    del times
    alarms = np.zeros(len(values), dtype=bool)
    for now in range(30, len(values)):
        before = values[max(0, now - width) : now]
        alarms[now] = abs(values[now] - before.mean()) > deviations * max(before.std(), 1e-9)
    return alarms


def seasonal_median(
    times: Floats, values: Floats, *, deviations: float, width: int = 336
) -> NDArray[np.bool_]:
    """Return which values are so many deviations (1.4826 MAD) from the median of the last `width`
    values of the same hour of the day."""
    hours = times // 3600 % 24
    alarms = np.zeros(len(values), dtype=bool)
    for hour in range(24):
        places = np.flatnonzero(hours == hour)
        for number, now in enumerate(places):
            before = values[places[max(0, number - width) : number]]
            if len(before) >= 30:
                middle = np.median(before)
                spread = 1.4826 * np.median(np.abs(before - middle))
                alarms[now] = abs(values[now] - middle) > deviations * max(spread, 1e-9)
    return alarms
