"""What value is expected of each metric, and how far off are such predictions usually?

Four baselines predict each value; the one whose errors were smallest lately is used, for each
metric by itself. An hour of the week is therefore used only where it helps, and only once it has
been seen three times; until then the weekday, the hour of the day, or the level stand in for it:

    hour of week      the level of the last week, and what this hour of the week is above it
    weekday           the same by weekday
    hour of day       the same by hour of the day
    level             the median of the last week, or of the last 28 hours with values

All errors are those of predictions made beforehand, so they contain what a baseline does not know
yet. Each baseline has errors of its own: those of the level, in which the week's rhythm still is,
would make a weekday look three times as uncertain as it is for months. Growth needs no model of its
own: the level follows it, and seasons are relative to the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farandole.events.quality_history import Measurement
from farandole.quality.anomalies.metric_kinds import KINDS, RULES, Kind
from farandole.quality.anomalies.metric_table import (
    BASELINES,
    DECIMALS,
    ERRORS,
    RECENT,
    MetricTable,
)
from farandole.quality.anomalies.row_medians import Floats, ordered_quantile, row_medians
from farandole.quality.anomalies.scale import from_scale, steepness, to_scale
from farandole.quality.anomalies.season import hour_of_week

LEAST_ERRORS: Final = 8
"""A metric is judged once so many of its values have been predicted, …"""
LEAST_HOURS: Final = 72
"""… and this long after its first value: three times through the hours of a day."""
_NEWEST: Final = 5
_PREFERENCE: Final = np.array([0.0, 0.1, 0.1, 0.15])
"""By how much its errors must be smaller before a finer baseline is preferred to the level."""
_MEMORY: Final = 32
"""Over how many predictions the errors of a baseline are averaged."""
LEVEL: Final = BASELINES.index("level")
_HOUR_OF_DAY: Final = BASELINES.index("hour of day")
_WEEKDAY: Final = BASELINES.index("weekday")
_HOUR_OF_WEEK: Final = BASELINES.index("hour of week")

_FLOOR: Final = np.array([RULES[kind].floor for kind in KINDS])
_STEP: Final = np.array([RULES[kind].step for kind in KINDS])
_BY_VOLUME: Final = np.array([RULES[kind].by_volume for kind in KINDS])
_RIDGE: Final = 8
_MOST_RATIO: Final = 4.0
_POISSON: Final = np.array([RULES[kind].poisson for kind in KINDS])


@dataclass(frozen=True, slots=True)
class Prediction:
    """Arrays with one entry for each point, on the metric's scale of comparison."""

    rows: NDArray[np.int64]
    value: Floats
    errors: Floats
    """[points, baselines]: the value minus what each predicts; NaN where it knows nothing."""
    baseline: NDArray[np.int64]
    """Which one is used."""
    error: Floats
    """The value minus what the baseline predicts; NaN for a metric without any value."""
    volume_error: Floats
    """The error of the rows of the same edge; 0 where it does not matter."""
    expected: Floats
    """What is expected: the prediction, corrected by the number of rows."""
    deviation: Floats
    """The standard deviation of what a value is above `expected`."""
    distance: Floats
    """What the value is above `expected`, or the nearer end of what it could as well have been."""
    score: Floats
    """The distance in standard deviations; NaN as long as too few values have been predicted."""


def predict(
    table: MetricTable, rows: NDArray[np.int64], points: Sequence[Measurement], hour: int
) -> Prediction:
    """Predict the values of these metrics in an hour that is the table's open one."""
    units = table.unit[rows]
    values = np.array([each.value for each in points], dtype=np.float64)
    scaled = to_scale(values, units)
    by_baseline = _by_baseline(table, rows, hour)
    past = table.errors[rows]
    known = ERRORS - np.count_nonzero(np.isnan(past), axis=2)
    usual = np.where(
        np.isnan(by_baseline) | (known < LEAST_ERRORS) | np.isnan(table.usual[rows]),
        np.inf,
        table.usual[rows],
    )
    finer = (1 + _PREFERENCE) * usual + _PREFERENCE * _FLOOR[table.kind[rows]][:, None]
    baseline = np.where(np.isinf(usual).all(axis=1), LEVEL, np.argmin(finer, axis=1))
    each = np.arange(len(rows))
    predicted = by_baseline[each, baseline]
    error = scaled - predicted
    volume_error = _volume_error(table, rows, points, error)
    errors, slope = _without_volume(
        past[each, baseline], table.volume_errors[rows], table.kind[rows]
    )
    expected = predicted + slope * volume_error
    sizes = np.sort(np.abs(errors), axis=1)
    counts = ERRORS - np.count_nonzero(np.isnan(sizes), axis=1)
    deviation = np.fmax(
        _deviation(sizes, counts) * _spread_of_hour(table, rows, baseline, hour),
        _least_deviation(
            table.kind[rows],
            units,
            from_scale(expected, units),
            values,
            np.array([each.rows for each in points]),
        ),
    )
    distance = _distance(points, scaled, expected, units)
    return Prediction(
        rows=rows,
        value=scaled,
        errors=scaled[:, None] - by_baseline,
        baseline=baseline,
        error=error,
        volume_error=volume_error,
        expected=expected,
        deviation=deviation,
        distance=distance,
        score=np.where(
            (counts >= LEAST_ERRORS) & (hour - table.first_hour[rows] >= LEAST_HOURS),
            distance / deviation,
            np.nan,
        ),
    )


def _volume_error(
    table: MetricTable,
    rows: NDArray[np.int64],
    points: Sequence[Measurement],
    error: Floats,
) -> Floats:
    """Return for each point the error of the rows of its edge in the same run, or, where that has
    none, of the edge with most of them."""
    volumes = [
        (point.value, point.edge, each)
        for point, each in zip(points, np.nan_to_num(error), strict=True)
        if point.kind == Kind.VOLUME
    ]
    of_edge = {edge: each for _, edge, each in volumes}
    largest = max(volumes)[2] if volumes else 0.0
    found: Floats = np.where(
        _BY_VOLUME[table.kind[rows]], [of_edge.get(each.edge, largest) for each in points], 0.0
    )
    return found


def _without_volume(
    errors: Floats, volumes: Floats, kinds: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return the usual errors without what the number of rows explains of them, and by how much
    a metric rises with the rows: a slope by least squares, drawn to 0.5 as long as little is
    known (ridge regression); errors beyond 3 standard deviations count as 3."""
    depends = _BY_VOLUME[kinds]
    if not depends.any():
        return errors, np.zeros(len(kinds))
    slope = np.zeros(len(kinds))
    x, y = (
        _clipped(np.where(np.isnan(errors[depends]), np.nan, each[depends]))
        for each in (volumes, errors)
    )
    square = np.nansum(x * x, axis=1)
    count = np.maximum(np.count_nonzero(~np.isnan(x), axis=1), 1)
    drawn = _RIDGE * (square / count + _FLOOR[KINDS.index(Kind.VOLUME)] ** 2)
    slope[depends] = (np.nansum(x * y, axis=1) + drawn * 0.5) / (square + drawn)
    slope = np.clip(slope, 0.0, 1.5)
    return errors - slope[:, None] * np.nan_to_num(volumes), slope


def _clipped(errors: Floats) -> Floats:
    most = 3 * 1.4826 * row_medians(np.abs(errors))[0][:, None]
    clipped: Floats = np.clip(errors, -most, most)
    return clipped


def _distance(
    points: Sequence[Measurement], scaled: Floats, expected: Floats, units: Floats
) -> Floats:
    """Return how far each value, or the nearer end of what it could as well have been, is above
    what is expected."""
    low = to_scale(np.array([p.value if p.low is None else p.low for p in points]), units)
    high = to_scale(np.array([p.value if p.high is None else p.high for p in points]), units)
    distance: Floats = np.where(
        np.isnan(expected),
        np.nan,
        np.fmax(np.fmin(low, scaled) - expected, 0) + np.fmin(np.fmax(high, scaled) - expected, 0),
    )
    return distance


def _by_baseline(table: MetricTable, rows: NDArray[np.int64], hour: int) -> Floats:
    """Return what each baseline predicts; until there is a level the last values stand for it."""
    found = np.full((len(rows), len(BASELINES)), np.nan)
    recent = row_medians(table.recent[rows, -_NEWEST:])[0]
    found[:, LEVEL] = recent
    width = table.values.shape[1]
    if not width:
        return found
    values = table.values[rows]
    slots = hour_of_week(table.hours[-width:])
    season = table.by_hour_of_week[rows][:, slots]
    for coarser in (
        table.by_hour_of_day[rows][:, slots % 24],
        table.by_weekday[rows][:, slots // 24],
        np.zeros(1),
    ):
        season = np.where(np.isnan(season), coarser, season)
    above = values - season
    level, _ = row_medians(above)
    now = int(hour_of_week(np.array([hour]))[0])
    of_level = row_medians(values)[0]
    found[:, LEVEL] = np.where(np.isnan(of_level), recent, of_level)
    found[:, _HOUR_OF_DAY] = level + table.by_hour_of_day[rows, now % 24]
    found[:, _WEEKDAY] = level + table.by_weekday[rows, now // 24]
    found[:, _HOUR_OF_WEEK] = level + table.by_hour_of_week[rows, now]
    return found


def _deviation(sizes: Floats, counts: NDArray[np.intp]) -> Floats:
    """Return the standard deviation of errors of these sizes (sorted rows): by their median, and
    by their 90 % and 97 % quantiles where those say more, which are what tells a metric that
    seldom jumps from one that never does. Few errors are taken to be too small."""
    deviation = 1.4826 * row_medians(sizes)[0]
    for share, normal, least in ((0.9, 1.645, 8), (0.97, 2.170, 100)):
        other = ordered_quantile(sizes, counts, share) / normal
        deviation = np.where(counts >= least, np.fmax(deviation, other), deviation)
    wider: Floats = deviation * (1 + 2 / np.maximum(counts, 1))
    return wider


def _spread_of_hour(
    table: MetricTable, rows: NDArray[np.int64], baseline: NDArray[np.int64], hour: int
) -> Floats:
    """Return how many times as wide as usual errors are at this hour of the day: a night has few
    rows, and an hour in which a feed sometimes ends has a gap of an hour or of a night. From a
    quarter to four times, drawn to 1 where the hour has few values."""
    of_week = hour_of_week(table.hours)
    here = of_week % 24 == hour % 24
    count = int(here.sum())
    if count < LEAST_ERRORS or count == len(here):
        return np.ones(len(rows))
    seasons = np.zeros((len(BASELINES), len(rows), len(here)))
    seasons[_HOUR_OF_DAY] = table.by_hour_of_day[rows][:, of_week % 24]
    seasons[_WEEKDAY] = table.by_weekday[rows][:, of_week // 24]
    seasons[_HOUR_OF_WEEK] = table.by_hour_of_week[rows][:, of_week]
    season = seasons[baseline, np.arange(len(rows))]
    errors = np.abs(table.offsets[rows] - season)
    newest = slice(len(here) - table.values.shape[1], None)
    floor = _FLOOR[table.kind[rows]]
    ratio = (_width(errors[:, here]) + floor) / (_width(errors[:, newest]) + floor)
    drawn = np.clip(ratio, 1 / _MOST_RATIO, _MOST_RATIO) ** (count / (count + _RIDGE))
    spread: Floats = np.where(np.isnan(drawn), 1.0, drawn)
    return spread


def _width(errors: Floats) -> Floats:
    ordered = np.sort(errors, axis=1)
    counts = errors.shape[1] - np.count_nonzero(np.isnan(errors), axis=1)
    width: Floats = np.fmax(
        1.4826 * row_medians(ordered)[0], ordered_quantile(ordered, counts, 0.9) / 1.645
    )
    return width


def _least_deviation(
    kinds: NDArray[np.int64],
    units: Floats,
    expected: Floats,
    values: Floats,
    rows: NDArray[np.int64],
) -> Floats:
    """Return the standard deviation that a kind has at least, and what chance adds to a count and
    to a share of so many rows, on the scale of comparison. On a logarithmic one a step down from
    few to fewer is long, so the smaller of the value and what was expected sets the scale."""
    lesser = np.fmin(np.fmax(expected, 0.0), np.fmax(values, 0.0) + 1)
    counted = np.where(_POISSON[kinds], lesser, 0.0)
    share = (np.clip(expected, 0, 1) * rows + 1) / (rows + 2)
    sampled = np.where(np.isnan(units) & (rows > 0), share * (1 - share) / np.fmax(rows, 1), 0.0)
    in_units = np.sqrt(_STEP[kinds] ** 2 + counted + sampled)
    slope = steepness(np.where(np.isnan(units), expected, np.nan_to_num(lesser)), units)
    least: Floats = np.hypot(_FLOOR[kinds], in_units * np.nan_to_num(slope))
    return least


def learn(
    table: MetricTable,
    prediction: Prediction,
    trained: NDArray[np.bool_],
    first: NDArray[np.bool_],
    limits: Floats,
) -> None:
    """Take the values of the trained points into the baselines. `first` are the flagged points
    that are the first of their kind: these errors count among the usual ones, so that a metric
    that jumps again and again (more often than in 3 % of the runs) is taken as one that jumps. They
    count no more than the `limits` that they exceeded: few large ones would hide all others."""
    fresh = table.in_slot[prediction.rows] == 0
    known = ((trained & fresh) | first) & ~np.isnan(prediction.error)
    most = np.where(
        first, np.where(prediction.distance < 0, limits[:, 0], limits[:, 1]), np.inf
    ) * np.fmax(prediction.deviation, 10.0**-DECIMALS)
    errors = np.clip(prediction.errors, -most[:, None], most[:, None])
    append(table.errors, prediction.rows[known], errors[known])
    append(table.volume_errors, prediction.rows[known], prediction.volume_error[known])
    table.baseline[prediction.rows] = prediction.baseline
    rows, values = prediction.rows[trained], prediction.value[trained]
    append(table.recent, rows, values)
    table.in_slot[rows] = np.minimum(table.in_slot[rows] + 1, RECENT)

    sizes = np.abs(prediction.errors[trained])
    known = ~np.isnan(sizes)
    before = np.nan_to_num(table.usual[rows])
    tried = table.tried[rows] + known
    most = np.where(tried > 3, 4 * before + 10.0**-DECIMALS, np.inf)
    step = (np.fmin(sizes, most) - before) / np.clip(tried, 1, _MEMORY)
    table.usual[rows] = np.round(np.where(known, before + step, before), DECIMALS + 2)
    table.tried[rows] = np.minimum(tried, _MEMORY)


def append(ring: Floats, rows: NDArray[np.int64], values: Floats) -> None:
    """Add a value to each of these rows of a ring; the oldest goes."""
    ring[rows, ..., :-1] = ring[rows, ..., 1:]
    ring[rows, ..., -1] = np.round(values, DECIMALS)
