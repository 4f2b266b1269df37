"""Which numbers about a run or window are remembered, to be compared with those of later ones?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import isfinite
from typing import TYPE_CHECKING

from farandole.events.quality_history import MAX_MEASUREMENTS, Measurement
from farandole.events.run_row import FOREIGN_EDGE_MARK, RunRow
from farandole.ledger.edge_data import EdgeData
from farandole.quality.anomalies.listed_shares import (
    LEAST_SHARE,
    MOST_CATEGORIES,
    MOST_VALUES,
    share_statistic,
)

if TYPE_CHECKING:
    from farandole.quality.profiles.column_profile import ColumnProfile

QUANTILES = (0.05, 0.5, 0.95)
_NEAR = 0.03  # ranks a little below and above a quantile
_MOST_COLUMNS = 50


def run_measurements(run: RunRow, found: Collection[EdgeData]) -> list[Measurement]:
    """Return the numbers about a run that has ended."""
    return [*_of_run(run), *_of_data(found)][:MAX_MEASUREMENTS]


def window_measurements(found: EdgeData) -> list[Measurement]:
    """Return the numbers about a window that is over."""
    return [*_of_data([found])][:MAX_MEASUREMENTS]


def _of_run(run: RunRow) -> Iterator[Measurement]:
    if run["closed"] is not None and run["root"] is not None:
        seconds = (run["closed"] - run["opened"]) / 1000
        yield Measurement("", "", "seconds", "duration", seconds)
    for name, edge in sorted(run["edges"].items()):
        if FOREIGN_EDGE_MARK in name or edge["consumed"] <= 0:
            continue
        yield Measurement(name, "", "consumed", "volume", edge["consumed"])
        yield Measurement(name, "", "oldest", "age", edge["age"])
        dead = max(0, edge["dead"]) / edge["consumed"]
        yield Measurement(name, "", "dead", "dead share", dead, edge["consumed"])


def _of_data(found: Collection[EdgeData]) -> Iterator[Measurement]:
    for data in found:
        event = data.key.event
        if data.profile is None:
            continue
        rows = data.profile.rows
        yield Measurement(event, "", "rows", "volume", rows + data.profile.unreadable)
        if (repeated := data.profile.repeated) is not None:
            yield Measurement(event, "", "repeated", "repeated share", repeated, rows)
        for name, column in [*data.profile.columns.items()][:_MOST_COLUMNS]:
            yield from _of_column(event, name, column, rows)
        if data.tallies is not None:
            for check, tally in data.tallies.rules.items():
                if tally.judged:
                    share = tally.failed / tally.judged
                    yield Measurement(event, "", check, "failing share", share, tally.judged)


def _of_column(event: str, name: str, column: ColumnProfile, rows: int) -> Iterator[Measurement]:
    if not rows:
        return
    absent = (column.nulls + column.missing) / rows
    yield Measurement(event, name, "nulls", "null share", absent, rows)
    if column.trimmed:
        return  # the sketches are not of all rows
    distinct = column.distinct()[0]
    yield Measurement(event, name, "distinct", "distinct", distinct)
    for share in QUANTILES if distinct > MOST_CATEGORIES else ():  # else each value has a share
        middle = column.quantile(share)
        if middle is None or not isfinite(middle):
            continue
        low, high = (column.quantile(min(1.0, max(0.0, share + by))) for by in (-_NEAR, _NEAR))
        yield Measurement(
            event,
            name,
            f"p{share * 100:.0f}",
            "quantile",
            float(middle),
            0,
            _float(low),
            _float(high),
        )
    values = column.top(MOST_VALUES)
    if values:
        most = values[0][1] / column.count
        yield Measurement(event, name, "top", "top-value share", most, column.count)
    if distinct > MOST_CATEGORIES:
        return
    for value, count in values:
        if count >= LEAST_SHARE * column.count:
            share = count / column.count
            yield Measurement(
                event, name, share_statistic(value), "top-value share", share, column.count
            )


def _float(number: float | int | None) -> float | None:
    return None if number is None or not isfinite(number) else float(number)
