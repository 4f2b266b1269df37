"""What is remembered of the metrics of a pipeline?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farandole.events.quality_history import Measurement
from farandole.quality.anomalies.listed_shares import is_listed_share
from farandole.quality.anomalies.metric_key import MetricKey, metric_key
from farandole.quality.anomalies.metric_kinds import KINDS, RULES, Kind
from farandole.quality.anomalies.row_medians import Floats, row_medians
from farandole.quality.anomalies.season import HOURS_A_WEEK, hour_of_week

RECENT: Final = 32
"""So many of the newest values are kept of each metric, for the level of the last runs."""
ERRORS: Final = 128
"""So many errors of the newest predictions, for their usual size."""
WEEKS: Final = 8
"""Values of so many weeks, one an hour, for the season: at most 8 × 168; a daily feed has 56."""
LEVEL_HOURS: Final = HOURS_A_WEEK
LEVEL_SLOTS: Final = 28
OLDEST_WEEKS: Final = 12
LEAST_SLOTS: Final = 8
"""The level is that of the last week, or else of the last 28 hours that have values, but not of
more than 12 weeks, or else of the last 8: so a daily feed has a level of four weeks, a weekly one
of twelve. No slot is forgotten that the level needs."""
IN_A_ROW: Final = 3
"""So many runs at a new level make a new baseline."""
PEAKS: Final = 8
"""So many of the newest errors that were told are kept of each metric."""
MOST_METRICS: Final = 4_000
DECIMALS: Final = 5
"""Of what is kept, on the scale of comparison: a hundredth of the least noise of any kind."""

LEAST_VISITS: Final = 3
"""So often must an hour of the week have been seen before it has a season of its own."""

BASELINES: Final = ("level", "hour of day", "weekday", "hour of week")
"""From what a value is predicted: see predict.py."""


class MetricTable:
    """Arrays with a row for each metric; NaN where there is no value.

    Everything is on the metric's scale of comparison (metric_kinds.py). An hour in which values
    came is a *slot*: it keeps their median, so that a feed of one run a minute needs no more room
    than one of one run an hour.
    """

    def __init__(self) -> None:
        self.keys: list[MetricKey] = []
        self.index: dict[MetricKey, int] = {}
        self.kind: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.unit: Floats = np.zeros(0)
        self.recent: Floats = np.zeros((0, RECENT))
        """The newest values, the newest last."""
        self.errors: Floats = np.zeros((0, len(BASELINES), ERRORS))
        """What the newest values were above the prediction of each baseline."""
        self.baseline: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """Which one was used last."""
        self.volume_errors: Floats = np.zeros((0, ERRORS))
        """What the rows of the same edge were above their prediction each time."""
        self.usual: Floats = np.zeros((0, len(BASELINES)))
        """The mean size of the errors of each baseline."""
        self.tried: NDArray[np.int64] = np.zeros((0, len(BASELINES)), dtype=np.int64)
        """How often each baseline has predicted."""
        self.in_slot: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """How many of the recent values are of the open slot."""
        self.away: Floats = np.zeros((0, IN_A_ROW))
        """What the flagged values of the newest slots were above their prediction."""
        self.away_hour: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """The hour of the newest of them."""

        self.peaks: Floats = np.zeros((0, PEAKS))
        """The sizes of the newest errors that were told, each the first of its kind."""
        self.peak_hours: NDArray[np.int64] = np.zeros((0, PEAKS), dtype=np.int64)
        """When they were."""
        self.first_hour: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """When the metric had its first value."""

        self.open_hour: int | None = None
        self.hours: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """Of the slots that are closed, the newest last."""
        self.values: Floats = np.zeros((0, 0))
        """Of the newest slots, those that make the level."""
        self.offsets: Floats = np.zeros((0, 0))
        """What the value of each slot was above the level of the week before it."""

        # What follows is derived from the offsets.
        self.by_hour_of_week: Floats = np.zeros((0, HOURS_A_WEEK))
        self.by_hour_of_day: Floats = np.zeros((0, 24))
        self.by_weekday: Floats = np.zeros((0, 7))

    def rows(self, points: Sequence[Measurement], hour: int) -> NDArray[np.int64]:
        """Return the row of each point's metric; a new metric gets one, in this hour."""
        first = len(self.keys)
        keys = [*map(metric_key, points)]
        for key in keys:
            if key not in self.index:
                self.index[key] = len(self.keys)
                self.keys.append(key)
        if len(self.keys) > first:
            self.grow_to(len(self.keys), self.values.shape[1], len(self.hours))
            rows = [(self.index[key], each) for key, each in zip(keys, points, strict=True)]
            new = [(row, each) for row, each in rows if row >= first]
            self._begin(new, first, hour)
        return np.array([self.index[key] for key in keys], dtype=np.int64)

    def _begin(self, new: Sequence[tuple[int, Measurement]], first: int, hour: int) -> None:
        siblings = {
            (key.edge, key.column): row
            for row, key in reversed([*enumerate(self.keys[:first])])
            if is_listed_share(key)
        }
        for row, each in new:
            unit = RULES[Kind(each.kind)].unit
            self.first_hour[row] = hour
            self.kind[row] = KINDS.index(Kind(each.kind))
            self.unit[row] = np.nan if unit is None else unit
            if each.kind == Kind.QUANTILE and each.value:
                self.unit[row] = abs(each.value) * (unit or 1.0)
            sibling = siblings.get((each.edge, each.column))
            if is_listed_share(each) and sibling is not None:
                self._begin_with_zeros(row, sibling)

    def _begin_with_zeros(self, row: int, sibling: int) -> None:
        """Take the share of a value as 0 in each run in which the column had shares."""
        for name in _SEEN_BY_SIBLINGS:
            array = getattr(self, name)
            array[row] = np.where(np.isnan(array[sibling]), np.nan, 0.0)
        self.tried[row] = self.tried[sibling]
        self.first_hour[row] = self.first_hour[sibling]

    def grow_to(self, count: int, level: int, slots: int) -> None:
        """Make room for so many metrics, slots of the level, and slots."""
        widths = {"values": (level,), "offsets": (slots,)}
        for name, fill in _BY_METRIC.items():
            before = getattr(self, name)
            shape = widths.get(name, before.shape[1:])
            grown = np.full((count, *shape), fill, dtype=before.dtype)
            grown[: len(before)] = before
            setattr(self, name, grown)

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        """Forget all metrics but the wanted ones."""
        self.keys = [key for key, kept in zip(self.keys, wanted, strict=True) if kept]
        self.index = {key: row for row, key in enumerate(self.keys)}
        for name in _BY_METRIC:
            setattr(self, name, getattr(self, name)[wanted])

    def open_slot(self, hour: int) -> None:
        """Go on to an hour; what came in the hour before becomes a slot."""
        if self.open_hour is not None and hour > self.open_hour and self.in_slot.any():
            self._close_slot(self.open_hour)
        self.open_hour = hour if self.open_hour is None else max(hour, self.open_hour)

    def _close_slot(self, hour: int) -> None:
        of_slot = np.arange(RECENT)[None, :] >= RECENT - self.in_slot[:, None]
        value, _ = row_medians(np.where(of_slot, self.recent, np.nan))
        self.in_slot[:] = 0
        self.hours = np.append(self.hours, hour)
        self.values = np.column_stack([self.values, value])[:, -self._slots_of_level() :]
        level, _ = row_medians(self.values)
        self.offsets = np.column_stack([self.offsets, np.round(value - level, DECIMALS)])
        old = int(np.count_nonzero(self.hours <= hour - WEEKS * HOURS_A_WEEK))
        old = max(min(old, len(self.hours) - self.values.shape[1]), 0)
        gone, self.hours, self.offsets = self.hours[:old], self.hours[old:], self.offsets[:, old:]
        self.derive_seasons(np.append(gone, hour))
        self._forget_what_has_ended()

    def _forget_what_has_ended(self) -> None:
        """Forget metrics without a value in the time of the level, and the shares of values that
        have not been listed in any of the recent runs."""
        ended = np.isnan(self.values).all(axis=1)
        listed = np.array([is_listed_share(key) for key in self.keys], dtype=bool)
        ended |= listed & (self.recent == 0).all(axis=1)
        if ended.any():
            self.keep(~ended)

    def _slots_of_level(self) -> int:
        def newer_than(hours: int) -> int:
            return int(np.count_nonzero(self.hours > self.hours[-1] - hours))

        most = min(LEVEL_SLOTS, newer_than(OLDEST_WEEKS * HOURS_A_WEEK))
        return max(newer_than(LEVEL_HOURS), most, LEAST_SLOTS)

    def derive_seasons(self, hours: NDArray[np.int64]) -> None:
        """Compute the seasons anew for the hours of the week of these hours."""
        slots = hour_of_week(self.hours)
        for season, of_slots, of_hours in (
            (self.by_hour_of_week, slots, hour_of_week(hours)),
            (self.by_hour_of_day, slots % 24, hour_of_week(hours) % 24),
            (self.by_weekday, slots // 24, hour_of_week(hours) // 24),
        ):
            for each in np.unique(of_hours):
                median, count = row_medians(self.offsets[:, of_slots == each])
                season[:, each] = np.where(count >= LEAST_VISITS, median, np.nan)


_BY_METRIC: Final[dict[str, float]] = {
    **dict.fromkeys(
        (
            "unit", "recent", "errors", "volume_errors", "usual", "away", "peaks", "values",
            "offsets", "by_hour_of_week", "by_hour_of_day", "by_weekday",
        ),
        np.nan,
    ),
    **dict.fromkeys(("kind", "tried", "in_slot", "first_hour", "baseline"), 0),
    **dict.fromkeys(("away_hour", "peak_hours"), -1),
}  # fmt: skip
"""The arrays with a row for each metric, and what a new metric has in them."""

_SEEN_BY_SIBLINGS: Final = (
    "recent", "errors", "usual", "values", "offsets", "by_hour_of_week", "by_hour_of_day",
    "by_weekday",
)  # fmt: skip
