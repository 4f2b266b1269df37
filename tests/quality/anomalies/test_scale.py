"""Are values compared on a scale that can be read back?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.quality.anomalies.row_medians import Floats
from farandole.quality.anomalies.scale import from_scale, steepness, to_scale

SHARE = np.array([np.nan])
UNIT = np.array([2.0])


@given(st.floats(0, 1))
def test_a_share_is_read_back(share: float) -> None:
    assert from_scale(to_scale(np.array([share]), SHARE), SHARE)[0] == pytest.approx(share)


@given(st.floats(-1e9, 1e9))
def test_a_value_in_a_unit_is_read_back(value: float) -> None:
    assert from_scale(to_scale(np.array([value]), UNIT), UNIT)[0] == pytest.approx(value)


def test_nothing_is_zero_on_every_scale() -> None:
    assert to_scale(np.zeros(1), SHARE)[0] == to_scale(np.zeros(1), UNIT)[0] == 0


def test_a_point_more_is_more_where_a_share_is_seldom() -> None:
    of = to_scale(np.array([0.02, 0.03, 0.50, 0.51, 0.97, 0.98]), np.full(6, np.nan))
    few, half, most = of[1] - of[0], of[3] - of[2], of[5] - of[4]
    assert few == pytest.approx(most)
    assert few > 5 * half


@pytest.mark.parametrize(("value", "unit"), [(0.0, SHARE), (0.4, SHARE), (0.0, UNIT), (50, UNIT)])
def test_the_steepness_is_that_of_the_scale(value: float, unit: Floats) -> None:
    step = 1e-6
    rise = to_scale(np.array([value + step]), unit) - to_scale(np.array([value]), unit)
    assert steepness(np.array([value]), unit)[0] == pytest.approx(rise[0] / step, rel=1e-3)
