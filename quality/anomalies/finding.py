"""What is wrong with one value of a metric?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.quality.anomalies.metric_key import MetricKey
from farandole.quality.anomalies.metric_kinds import Kind


@dataclass(frozen=True, slots=True)
class ChangedShare:
    """The share of one value of a column that is another than usual."""

    key: MetricKey
    share: float
    usual: float
    rows: int
    """Of how many rows it is a share."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A value outside of what was expected."""

    key: MetricKey
    kind: Kind
    at: float
    """Seconds of the epoch."""
    value: float
    expected: float
    low: float
    high: float
    """The expected range, in the metric's unit; from 0, or infinite, where a kind has one side."""
    score: float
    """How far the value is from what was expected, in usual deviations; negative: below."""
    limit: float
    """The score from which on it is told."""
    excess: float
    """The same distance on the metric's scale of comparison, for `expect`."""

    @property
    def severity(self) -> float:
        """How many times as far as the limit it is."""
        return abs(self.score) / self.limit
