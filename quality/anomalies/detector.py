"""Which metrics of a run are unlike what they were before?"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from math import inf, isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farandole.events.quality_history import Measurement
from farandole.events.topology_version import Sensitivity
from farandole.quality.anomalies.alarm_budget import AlarmBudget
from farandole.quality.anomalies.distinct_in_all import measured_key, with_distinct_in_all
from farandole.quality.anomalies.finding import ChangedShare, Finding
from farandole.quality.anomalies.listed_shares import (
    complete_shares,
    is_listed_share,
    listed_by_column,
)
from farandole.quality.anomalies.metric_key import MetricKey, metric_key
from farandole.quality.anomalies.metric_kinds import KINDS, Kind
from farandole.quality.anomalies.metric_table import DECIMALS, MOST_METRICS, MetricTable
from farandole.quality.anomalies.predict import (
    Prediction,
    append,
    learn,
    predict,
)
from farandole.quality.anomalies.row_medians import Floats
from farandole.quality.anomalies.run_tail import LEAST
from farandole.quality.anomalies.scale import from_scale, to_scale
from farandole.quality.anomalies.season import local_hour

_KINDS: Final = frozenset(kind.value for kind in Kind)
_USUAL_PEAKS: Final = 3
"""A metric that was told so often is told again only of a larger deviation, …"""
_PEAK_HOURS: Final = 90 * 24
"""… for so long."""
_DISTINCT_PEAK_HOURS: Final = 6
_LEAST_COMMON: Final = 16
_CORRELATED: Final = 0.6
"""From this coefficient on metrics have moved together."""
_SAME_SIZE: Final = 1.05
"""A deviation up to so many times one that is expected is no larger."""


@dataclass
class Detector:
    """The metrics of one pipeline, in the order of time."""

    zone: tzinfo = UTC
    """Whose hours and weekdays the seasons follow."""
    table: MetricTable = field(default_factory=MetricTable)
    budget: AlarmBudget = field(default_factory=AlarmBudget)
    _newest: tuple[Sequence[Measurement], Prediction] | None = None
    """The points of the newest run, and what was expected of them."""

    def observe(
        self,
        at: float,
        points: Iterable[Measurement],
        *,
        trains: bool = True,
        ignored: Container[MetricKey] = (),
        sensitivity: Sensitivity = "normal",
    ) -> list[Finding]:
        """Judge the points of a run or window at `at` (seconds of the epoch, not before that of
        the run before), and learn from them.

        `trains` is False for a run that is partial, cancelled or failed: it is judged, and nothing
        is learnt. A metric that is ignored is learnt and not judged. What is found is not learnt,
        until three hours with values in a row agree on a new level. Beyond 4,000 metrics new ones
        are left out. Raises ValueError for a value that is not finite.
        """
        hour = local_hour(at, self.zone)
        kept = self._judged_points(points)
        self.table.open_slot(hour)
        self.budget.go_on(at)
        rows = self.table.rows(kept, hour)
        prediction, scores, limits, told = self._judge(rows, kept, hour, ignored, sensitivity)
        self._newest = kept, prediction
        if trains:
            self.budget.count(self.table.kind[rows], scores, limits)
            self._learn(prediction, limits, told, hour)
        return self._findings(kept, at, prediction, limits, told)

    def judge(
        self, at: float, points: Sequence[Measurement], *, sensitivity: Sensitivity = "normal"
    ) -> list[Finding]:
        """Return what would be found in these points at `at`, and learn nothing. Metrics that are
        not known are left out."""
        kept = [each for each in points if metric_key(each) in self.table.index]
        if not kept or not self.budget.starts:
            return []
        hour = local_hour(at, self.zone)
        rows = self.table.rows(kept, hour)
        prediction, _, limits, told = self._judge(rows, kept, hour, (), sensitivity)
        return self._findings(kept, at, prediction, limits, told)

    def _judge(
        self,
        rows: NDArray[np.int64],
        points: Sequence[Measurement],
        hour: int,
        ignored: Container[MetricKey],
        sensitivity: Sensitivity,
    ) -> tuple[Prediction, Floats, Floats, NDArray[np.bool_]]:
        """Return the prediction, the scores (NaN where nothing is judged), the limits, and which
        points are to be told."""
        prediction = predict(self.table, rows, points, hour)
        scores = prediction.score.copy()
        if ignored:
            scores[[measured_key(each) in ignored for each in points]] = np.nan
        limits = self.budget.limits(self.table.kind[rows], scores, sensitivity)
        beyond = (scores < -limits[:, 0]) | (scores > limits[:, 1])
        scores[beyond & self._jumps_like_this(prediction, hour)] = np.nan
        return prediction, scores, limits, beyond & ~np.isnan(scores)

    def _findings(
        self,
        points: Sequence[Measurement],
        at: float,
        prediction: Prediction,
        limits: Floats,
        told: NDArray[np.bool_],
    ) -> list[Finding]:
        return [
            self._finding(points[each], at, prediction, each, limits[each])
            for each in np.flatnonzero(told).tolist()
        ]

    def _judged_points(self, measurements: Iterable[Measurement]) -> list[Measurement]:
        points = [each for each in measurements if each.kind in _KINDS]
        for each in points:
            if not all(isfinite(end) for end in (each.value, each.low or 0.0, each.high or 0.0)):
                raise ValueError(f"{metric_key(each)} is not finite: {each.value}")
        table = self.table
        shares = [key for key in table.keys if is_listed_share(key)]
        completed = with_distinct_in_all(complete_shares(points, listed_by_column(shares)))
        room = MOST_METRICS - len(table.keys)
        kept = []
        for each in completed:
            is_known = metric_key(each) in table.index
            room -= not is_known
            if room >= 0 or is_known:
                kept.append(each)
        return kept

    def _jumps_like_this(self, prediction: Prediction, hour: int) -> NDArray[np.bool_]:
        """Return which metrics have been told of at least as large a deviation three times within
        90 days, on the same side."""
        peaks = self.table.peaks[prediction.rows]
        known = (self.table.peak_hours[prediction.rows] > hour - _PEAK_HOURS) & (
            np.sign(peaks) == np.sign(prediction.distance)[:, None]
        )
        sizes = np.sort(np.where(known, np.abs(peaks), 0.0), axis=1)
        jumps: NDArray[np.bool_] = np.abs(prediction.distance) <= sizes[:, -_USUAL_PEAKS]
        return jumps

    def _learn(
        self, prediction: Prediction, limits: Floats, told: NDArray[np.bool_], hour: int
    ) -> None:
        table, rows = self.table, prediction.rows
        first = told & np.isnan(table.away[rows]).all(axis=1)
        peak = first & (hour - table.peak_hours[rows, -1] >= _DISTINCT_PEAK_HOURS)
        self._note_peaks(rows[peak], prediction.distance[peak], hour)
        trained = ~told
        trained[told] = self._new_levels(prediction, np.flatnonzero(told), hour)
        table.away[rows[trained]] = np.nan
        learn(table, prediction, trained, first, limits)

    def _note_peaks(self, rows: NDArray[np.int64], sizes: Floats, hour: int) -> None:
        for ring, newest in (
            (self.table.peaks, np.round(sizes, DECIMALS)),
            (self.table.peak_hours, hour),
        ):
            ring[rows, :-1] = ring[rows, 1:]
            ring[rows, -1] = newest

    def _new_levels(
        self, prediction: Prediction, told: NDArray[np.intp], hour: int
    ) -> NDArray[np.bool_]:
        """Note what was told. Where the last three hours with values agree on a new level, move
        the baseline there. Return which of the told points are at a new level."""
        table, moved = self.table, np.zeros(len(told), dtype=bool)
        for place, each in enumerate(told.tolist()):
            row = prediction.rows[each]
            if table.away_hour[row] == hour:
                continue
            table.away_hour[row] = hour
            away = table.away[row]
            away[:-1] = away[1:]
            away[-1] = np.round(prediction.error[each], DECIMALS)
            middle = float(np.median(away))
            near = max(3 * prediction.deviation[each], 0.35 * abs(middle))
            if (np.all(away > 0) or np.all(away < 0)) and np.ptp(away) <= near:
                table.values[row] = np.round(table.values[row] + middle, DECIMALS)
                table.recent[row] = np.round(table.recent[row] + middle, DECIMALS)
                moved[place] = True
        return moved

    def _finding(
        self, point: Measurement, at: float, prediction: Prediction, each: int, limits: Floats
    ) -> Finding:
        unit = self.table.unit[prediction.rows[each]]
        expected, deviation = prediction.expected[each], prediction.deviation[each]
        below, above = limits * deviation
        kind = Kind(point.kind)
        least, most = (-inf if kind is Kind.QUANTILE else 0.0), (1.0 if np.isnan(unit) else inf)
        score = float(prediction.score[each])
        return Finding(
            key=metric_key(point),
            kind=kind,
            at=at,
            value=point.value,
            expected=_in_unit(expected, unit),
            low=max(_in_unit(expected - below, unit), least),
            high=min(_in_unit(expected + above, unit), most),
            score=score,
            limit=float(limits[1 if score > 0 else 0]),
            excess=float(prediction.distance[each]),
        )

    def changed_shares(self, edge: str) -> list[ChangedShare]:
        """Return the values of the columns of an edge whose share in the newest run is farther from
        what was expected than chance and habit explain, the most changed first."""
        if self._newest is None:
            return []
        points, prediction = self._newest
        found = [
            ChangedShare(
                metric_key(point),
                point.value,
                min(max(float(prediction.expected[each]), 0.0), 1.0),
                point.rows,
            )
            for each, point in enumerate(points)
            if point.edge == edge
            and is_listed_share(point)
            and abs(prediction.score[each]) >= LEAST
        ]
        return sorted(found, key=lambda each: (-abs(each.share - each.usual), each.key))

    def correlated(self, one: MetricKey, other: MetricKey) -> bool:
        """Return whether the errors of two metrics have gone together in the runs so far."""
        index = self.table.index
        if one not in index or other not in index:
            return False
        rows = [index[one], index[other]]
        errors: Floats = self.table.errors[rows, self.table.baseline[rows]]
        both = errors[:, ~np.isnan(errors).any(axis=0)]
        if both.shape[1] < _LEAST_COMMON or not both.std(axis=1).all():
            return False
        return float(np.corrcoef(both[0], both[1])[0, 1]) >= _CORRELATED

    def expect(self, findings: Iterable[Finding]) -> None:
        """Take findings as normal: their values are learnt, their deviations count among the usual
        ones, and for 90 days no deviation of these metrics up to this size is told."""
        for each in findings:
            row = self.table.index.get(each.key)
            if row is None:
                continue
            self.budget.accept(KINDS.index(each.kind), each.score, each.limit)
            rows = np.array([row])
            hour = local_hour(each.at, self.zone)
            for _ in range(_USUAL_PEAKS):
                self._note_peaks(rows, np.array([each.excess * _SAME_SIZE]), hour)
            value = to_scale(np.array([each.value]), self.table.unit[rows])
            append(self.table.recent, rows, value)
            append(self.table.errors, rows, np.array([each.excess]))
            append(self.table.volume_errors, rows, np.zeros(1))
            self.table.in_slot[rows] += hour == self.table.open_hour
            self.table.away[row] = np.nan


def _in_unit(scaled: float, unit: float) -> float:
    return float(from_scale(np.array([scaled]), np.array([unit]))[0])
