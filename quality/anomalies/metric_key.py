"""Which metric of a pipeline is meant?"""

from __future__ import annotations

from typing import NamedTuple

from farandole.events.quality_history import Measurement


class MetricKey(NamedTuple):
    """What is measured again in each run. See `Measurement` for the three names."""

    edge: str
    column: str
    statistic: str


def metric_key(measurement: Measurement) -> MetricKey:
    """Return the metric that a measurement is of."""
    return MetricKey(measurement.edge, measurement.column, measurement.statistic)
