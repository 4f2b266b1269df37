"""How are the values of a kind of metric compared: on which scale, above which noise, on which
sides?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final


class Kind(StrEnum):
    """What a metric measures. All metrics of a kind share one model of their tail."""

    VOLUME = "volume"
    DURATION = "duration"
    AGE = "age"
    DEAD_SHARE = "dead share"
    REPEATED_SHARE = "repeated share"
    NULL_SHARE = "null share"
    DISTINCT = "distinct"
    DISTINCT_IN_ALL = "distinct in all"
    QUANTILE = "quantile"
    TOP_SHARE = "top-value share"
    FAILING_SHARE = "failing share"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class KindRule:
    """How values of a kind are compared."""

    unit: float | None
    """Values are compared as asinh(value / unit): as logarithms where they are well above the unit,
    linearly around zero. None: by their odds (shares), see scale.py."""
    floor: float
    """The least standard deviation on that scale: there it is relative."""
    step: float = 0.0
    """The least standard deviation in the metric's own unit."""
    poisson: bool = False
    """Whether a value x is a count of rows, so that its standard deviation is at least √x."""
    by_volume: bool = False
    """Whether a value depends on the number of rows of the same edge, to an extent that is learnt:
    ten times as many rows have more distinct values and take longer."""
    below: bool = True
    """Whether a value below what is expected is an anomaly. One above is, for every kind."""
    least_above: float = 0.0
    """A value is told only if it is so many standard deviations above what is expected; the budget
    is then that of the values below alone."""
    weight: float = 1.0
    """The kind's part of the budget of false alarms, relative to the other kinds."""


SHARE_FLOOR: Final = 0.0005
ODDS_FLOOR: Final = 0.01
REPEATED_STEP: Final = 0.01
"""How many rows are different is only estimated, with a standard error of 0.6 %."""
_SHARE = KindRule(unit=None, floor=ODDS_FLOOR, step=SHARE_FLOOR)
_BAD_SHARE = KindRule(unit=None, floor=ODDS_FLOOR, step=SHARE_FLOOR, below=False)
_SPAN = KindRule(
    unit=0.1, floor=0.10, step=0.5, by_volume=True, below=False, weight=0.5, least_above=4.0
)

RULES: Final[dict[Kind, KindRule]] = {
    # A promotion or the beginning of a month brings more rows, and nothing is wrong with them.
    Kind.VOLUME: KindRule(unit=1.0, floor=0.03, poisson=True, weight=4.0, least_above=5.0),
    # How long something takes depends on what else the machine does.
    Kind.DURATION: _SPAN,
    Kind.AGE: _SPAN,
    Kind.DEAD_SHARE: _BAD_SHARE,
    # Compared as it is: by odds, a fifth of the rows would be hardly more than what the estimate is
    # off around nothing.
    Kind.REPEATED_SHARE: KindRule(
        unit=1.0, floor=0.005, step=REPEATED_STEP, below=False, least_above=5.0
    ),
    Kind.NULL_SHARE: _SHARE,
    # Which rare values come is chance, as the number of rows is.
    Kind.DISTINCT: KindRule(
        unit=1.0, floor=0.03, step=1.0, poisson=True, by_volume=True, weight=2.0
    ),
    # The same without the correction by rows, which hides a column that loses half of its values
    # where many rows are missing, too, and is uncertain as long as few runs are known.
    Kind.DISTINCT_IN_ALL: KindRule(
        unit=1.0, floor=0.03, step=1.0, poisson=True, weight=4.0, least_above=inf
    ),
    # The unit of a quantile is this times its first value, if that is not 0: see MetricTable.
    Kind.QUANTILE: KindRule(unit=0.3, floor=0.03),
    Kind.TOP_SHARE: _SHARE,
    Kind.FAILING_SHARE: _BAD_SHARE,
    Kind.SILENCE: KindRule(unit=1.0, floor=0.01, step=30.0, below=False),
}
KINDS: Final = tuple(Kind)
