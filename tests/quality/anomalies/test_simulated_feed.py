"""Are faults in the files of a daily feed found in their run, and is nothing told without one?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from farandole.events.quality_history import Measurement
from farandole.events.quality_row import QualityKey
from farandole.events.run_row import new_run_row
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.run_measurements import run_measurements
from farandole.quality.anomalies.pipeline_anomalies import PipelineAnomalies
from farandole.quality.profiles.profiling import profile_columns
from farandole.quality.profiles.value_hash import hash_rows

DAY = 86_400
QUIET, DAYS = 60, 124
Rows = dict[str, Any]


def day_of(number: int, random: Generator) -> Rows:
    """The rows of a day: one half more on Saturdays and Sundays, and 5 % of noise."""
    usual = 900 if number % 7 in (5, 6) else 600
    count = round(usual * np.exp(random.normal(0, 0.05)))
    return {
        "id": np.arange(count) + 10_000 * number,
        "cents": np.round(np.exp(random.normal(6, 0.5, count))),
        "state": random.choice(3, count, p=[0.6, 0.3, 0.1]).astype(np.float64),
    }


def fewer(rows: Rows, _: Generator) -> Rows:
    return {name: values[: len(values) * 7 // 10] for name, values in rows.items()}


def twice(rows: Rows, _: Generator) -> Rows:
    return {name: np.append(values, values[: len(values) // 4]) for name, values in rows.items()}


def other_unit(rows: Rows, _: Generator) -> Rows:
    return rows | {"cents": rows["cents"] * 100}


def new_value(rows: Rows, random: Generator) -> Rows:
    return rows | {"state": np.where(random.random(len(rows["id"])) < 0.03, 9.0, rows["state"])}


def lost(rows: Rows, random: Generator) -> Rows:
    return rows | {"cents": np.where(random.random(len(rows["id"])) < 0.04, np.nan, rows["cents"])}


def stuck(rows: Rows, _: Generator) -> Rows:
    half = len(rows["cents"]) // 2
    return rows | {"cents": np.append(rows["cents"][:half], np.full(len(rows["id"]) - half, 7.0))}


FAULTS: Mapping[str, Callable[[Rows, Generator], Rows]] = {
    each.__name__: each for each in (fewer, twice, other_unit, new_value, lost, stuck)
}


def measured(number: int, rows: Rows) -> list[Measurement]:
    run = new_run_row("run", "shop", 1, number * DAY * 1000)
    data = EdgeData(QualityKey("shop", "line", "run", None), 1, "load")
    given = {name: np.ma.masked_invalid(values) for name, values in rows.items()}
    data.profile = profile_columns(given, len(rows["id"]), frozenset())
    table = np.column_stack([*rows.values()]).astype(np.float64)
    data.profile.note_rows(hash_rows([row.tobytes() for row in table]))
    return run_measurements(run, [data])


def told(faults: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    """Yield the days on which an incident opens, with its column and statistic."""
    known, random = PipelineAnomalies(), np.random.default_rng(19)
    for number in range(DAYS):
        rows = day_of(number, random)
        if number in faults:
            rows = FAULTS[faults[number]](rows, random)
        for each in known.take(number * DAY, measured(number, rows)).opened:
            yield number, f"{each.main.key.column}/{each.main.key.statistic}"


def test_faults_are_found_in_their_run_and_hardly_anything_else_is_told() -> None:
    """A limit that is three times as high misses the days with fewer rows."""
    planted = dict(zip(range(QUIET + 2, DAYS, 5), [*FAULTS] * 2, strict=False))
    found = dict(told(planted))
    missed = [(number, fault) for number, fault in planted.items() if number not in found]
    false = [(number, what) for number, what in found.items() if number not in planted]
    assert len(missed) <= 1, missed
    assert len(false) <= 1, false


def test_in_four_months_without_faults_hardly_anything_is_told() -> None:
    false = [*told({})]
    assert len(false) <= 1, false
