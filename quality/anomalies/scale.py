"""On which scale are two values of a metric compared?

What has a unit is compared as asinh(value / unit): as a logarithm where it is well above the unit,
linearly around zero. A share, whose unit is NaN, is compared by its odds: 1 % and 2 % are as far
apart as 98 % and 99 %, and farther than 50 % and 51 %, as they are in how often each comes by
chance. Shares below a hundredth are compared linearly. A value of 0 is 0 on either scale.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from farandole.quality.anomalies.row_medians import Floats

_NEAR: Final = 0.01
"""Shares that are nearer to 0 or 1 than this are compared linearly."""


def to_scale(values: Floats, units: Floats) -> Floats:
    """Return values on the scale of comparison; what is no share, of those that should be, as the
    nearest one."""
    is_share = np.isnan(units)
    shares = np.clip(np.where(is_share, values, 0.0), 0.0, 1.0)
    odds = np.log((shares + _NEAR) / (1 - shares + _NEAR)) - np.log(_NEAR / (1 + _NEAR))
    scaled: Floats = np.where(is_share, odds, np.arcsinh(values / np.where(is_share, 1.0, units)))
    return scaled


def from_scale(scaled: Floats, units: Floats) -> Floats:
    """Return the values that `to_scale` maps to these; infinite beyond the largest float."""
    is_share = np.isnan(units)
    with np.errstate(over="ignore", invalid="ignore"):
        odds = np.exp(np.clip(np.where(is_share, scaled, 0.0), -50, 50)) * _NEAR / (1 + _NEAR)
        shares = (odds * (1 + _NEAR) - _NEAR) / (1 + odds)
        values: Floats = np.where(
            is_share,
            shares,
            np.where(is_share, 1.0, units) * np.sinh(np.where(is_share, 0, scaled)),
        )
    return values


def steepness(values: Floats, units: Floats) -> Floats:
    """Return by how much the scale rises at these values for a step of 1 in the metric's unit."""
    is_share = np.isnan(units)
    shares = np.clip(np.where(is_share, values, 0.0), 0.0, 1.0)
    of_odds = 1 / (shares + _NEAR) + 1 / (1 - shares + _NEAR)
    of_asinh = 1 / np.hypot(np.where(is_share, 1.0, units), values)
    found: Floats = np.where(is_share, of_odds, of_asinh)
    return found
