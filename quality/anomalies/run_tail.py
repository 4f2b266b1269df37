"""How large must the largest deviation of a run be before a person is told?

A pipeline of 1,000 metrics is tested 1,000 times a run. Of n past runs a rank (conformal) p-value
cannot fall below 1/(n+1), and Benjamini-Hochberg over 1,000 of them demands 1/1,000 × level for
the first alarm, so that it would stay silent for years. Two things help, and both are done here:

* *What is tested is the run's maximum.* Of all metrics of a kind (volume, null share, …) and a
  side, the largest standardised residual of a run is one number (maxT: Westfall & Young,
  Resampling-Based Multiple Testing, 1993). Metrics that move together, as the volumes of seven
  edges do, then cost the budget once, which a correction by their number would charge seven times.
  Deviations within six hours count once as well (declustering: Coles, An Introduction to
  Statistical Modeling of Extreme Values, 2001, 5.3.2), so that the budget is per month however
  often a pipeline runs.
* *The tail is fitted.* Maxima above a high level u exceed it by an amount that is nearly
  exponential (Pickands 1975, with a shape of 0): P(max > x) = p·exp(-(x-u)/β). p and β are
  estimated from the newest 256 maxima, with what is known beforehand as pseudo-observations, and
  give limits beyond everything that was seen.

Extreme-value limits for streams are known from SPOT (Siffer et al., KDD 2017). As there, what was
told stays out of the fit; unless a person says that it is normal. A fit that is too narrow widens
all the same: the first error of what is told counts among the usual errors of its metric, which
then stands out less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

LEAST: Final = 3.0
"""No deviation below this is ever an anomaly, in standard deviations."""

# What is known before any run: of one metric, 0.3 % of the residuals are above 3 standard
# deviations (a normal distribution: 0.13 %), and from there on they thin out by e every 0.45.
_TAIL_FROM: Final = 3.0
_TAIL_SHARE: Final = 0.003
_TAIL_SCALE: Final = 0.45
_PRIOR_MAXIMA: Final = 20
"""What is known beforehand counts as much as so many maxima."""
_PRIOR_EXCESSES: Final = 5
_SHARE_ABOVE: Final = 0.2
"""The level u is where about so many of the maxima are above it."""
_LEAST_LEVEL: Final = 1.5


def tail_limit(maxima: Sequence[float], metrics: int, chance: float) -> float:
    """Return which score the largest of `metrics` metrics exceeds with probability `chance`.

    `maxima` are the largest scores of earlier blocks of time of which nobody was told.
    """
    level = max(
        _LEAST_LEVEL,
        _TAIL_FROM + _TAIL_SCALE * math.log(_TAIL_SHARE * max(metrics, 1) / _SHARE_ABOVE),
    )
    if len(maxima) >= _PRIOR_MAXIMA:
        level = max(level, sorted(maxima)[int(len(maxima) * (1 - _SHARE_ABOVE))])
    known_share = min(
        _SHARE_ABOVE, metrics * _TAIL_SHARE * math.exp((_TAIL_FROM - level) / _TAIL_SCALE)
    )
    excesses = [each - level for each in maxima if each > level]
    known = _PRIOR_MAXIMA * known_share
    share = (len(excesses) + known) / (len(maxima) + _PRIOR_MAXIMA)
    known += _PRIOR_EXCESSES
    scale = (sum(excesses) + known * _TAIL_SCALE) / (len(excesses) + known)
    return max(LEAST, level + scale * math.log(share / chance))
