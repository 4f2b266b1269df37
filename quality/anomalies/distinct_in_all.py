"""Which metrics does a number of different values have?

It depends on the number of rows, and is compared with what that lets expect. As long as few runs
are known, that says little; and where a run has more or fewer rows because of the same fault, it
explains the fault away. So the number is compared with those of the runs before without it, too:
in columns of more values than a set of categories has, since all of those come in any run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from farandole.events.quality_history import Measurement
from farandole.quality.anomalies.listed_shares import MOST_CATEGORIES
from farandole.quality.anomalies.metric_key import MetricKey, metric_key
from farandole.quality.anomalies.metric_kinds import Kind

_STATISTIC: Final = "distinct in all"


def with_distinct_in_all(points: Sequence[Measurement]) -> list[Measurement]:
    """Return the measurements, and each number of different values once more."""
    again = [
        each._replace(statistic=_STATISTIC, kind=Kind.DISTINCT_IN_ALL.value)
        for each in points
        if each.kind == Kind.DISTINCT and each.value > MOST_CATEGORIES
    ]
    return [*points, *again]


def measured_key(point: Measurement) -> MetricKey:
    """Return the name under which the number of a metric was measured, by which people mean it."""
    key = metric_key(point)
    return key._replace(statistic="distinct") if point.kind == Kind.DISTINCT_IN_ALL else key
