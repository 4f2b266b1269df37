"""What is found in series that others have labelled (Numenta Anomaly Benchmark)?"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from benchmarks.anomalies.event_score import EventScore
from benchmarks.anomalies.other_detectors import Floats, seasonal_median, windowed_gaussian
from farandole.events.quality_history import Measurement
from farandole.quality.anomalies.alarm_budget import Sensitivity
from farandole.quality.anomalies.metric_kinds import Kind
from farandole.quality.anomalies.pipeline_anomalies import PipelineAnomalies

Window = tuple[float, float]
Alarms = Callable[[Floats, Floats], list[float]]


class LabelledSeries(NamedTuple):
    name: str
    times: Floats
    """Seconds of the epoch."""
    values: Floats
    windows: list[Window]


def read_series(folder: Path) -> Iterator[LabelledSeries]:
    """Yield the series of a folder: `windows.json` has the windows of each by the path of its CSV,
    whose columns are `timestamp` and `value`."""
    for name, windows in orjson.loads((folder / "windows.json").read_bytes()).items():
        with (folder / name).open() as file:
            rows = [*csv.DictReader(file)]
        yield LabelledSeries(
            name,
            np.array([_seconds(row["timestamp"]) for row in rows]),
            np.array([float(row["value"]) for row in rows]),
            [(_seconds(begin), _seconds(end)) for begin, end in windows],
        )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def our_alarms(times: Floats, values: Floats, sensitivity: Sensitivity = "normal") -> list[float]:
    """Return when something is found in a series, as the only metric of a pipeline."""
    pipeline, alarms = PipelineAnomalies(), []
    for at, value in zip(times.tolist(), values.tolist(), strict=True):
        point = Measurement("series", "value", "mean", Kind.QUANTILE.value, value)
        pipeline.take(at, [point], sensitivity=sensitivity)
        if any(each.until == at for each in pipeline.log.open):
            alarms.append(at)
    return alarms


def _others(detector: Callable[..., np.ndarray], deviations: float) -> Alarms:
    return lambda times, values: times[detector(times, values, deviations=deviations)].tolist()


DETECTORS: dict[str, Alarms] = {
    "Farandole": our_alarms,
    "Farandole, low": partial(our_alarms, sensitivity="low"),
    "Farandole, high": partial(our_alarms, sensitivity="high"),
    **{f"Gaussian window, {k} sd": _others(windowed_gaussian, k) for k in (4, 6, 8)},
    **{f"seasonal median, {k} sd": _others(seasonal_median, k) for k in (4, 8, 12)},
}


def measure(folder: Path) -> dict[str, EventScore]:
    """Return the score of each detector over all series."""
    series = [*read_series(folder)]
    scores = {name: EventScore() for name in DETECTORS}
    for name, detect in DETECTORS.items():
        for each in series:
            scores[name].add(each.times, detect(each.times, each.values), each.windows)
        print(f"  {name:24} {scores[name].row()}")
    return scores
