"""Which runs would a year of a feed have, with and without faults?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.anomalies.faults import Rows, plant
from benchmarks.anomalies.plan import DAILY, FAULTS, WEEKLY, FeedPlan
from benchmarks.anomalies.shipped_feed import START, simulated_days
from farandole.events.quality_history import Measurement
from farandole.events.quality_row import QualityKey
from farandole.events.run_row import new_edge, new_run_row
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.run_measurements import run_measurements
from farandole.quality.profiles.profiling import profile_columns
from farandole.quality.profiles.value_hash import Hashes, hash_rows

INGESTED: Final = (
    "household_id", "store_id", "basket_id", "product_id", "quantity", "sales_cents",
    "retail_cents", "coupon_cents", "match_cents",
)  # fmt: skip
PRICED: Final = (
    "quantity", "sales_cents", "retail_cents", "coupon_cents", "match_cents", "department",
    "brand", "age", "income",
)  # fmt: skip
_PERSONAL: Final = frozenset({"household_id"})
_JITTER: Final = 0.003
"""Of the interval: how far a run begins from its time, as a standard deviation."""
_DAY: Final = 86_400


class SimulatedRun(NamedTuple):
    """One run of the simulated pipeline."""

    began: float
    ended: float
    """Seconds of the epoch."""
    measurements: list[Measurement]
    fault: str
    """Empty if there is none."""


def simulated_runs(plan: FeedPlan, seed: int, *, faulty: bool) -> Iterator[SimulatedRun]:
    """Yield the runs of twelve months of a feed."""
    random = np.random.default_rng([seed, 7])
    start = (START - np.timedelta64(0, "s")).astype(np.int64)
    faults: list[str] = []
    for number, rows in enumerate(_files(plan, seed)):
        fault = ""
        since_warm_up = number - plan.warm_up
        if since_warm_up >= 0 and since_warm_up % plan.runs_between == plan.runs_between // 2:
            faults = faults or random.permutation(FAULTS).tolist()
            fault = faults.pop() if faulty and len(rows["hour"]) else ""
        began = float(start) + (number + 1) * plan.seconds
        began += abs(random.normal(0, _JITTER * plan.seconds))
        if fault == "late":
            began += plan.seconds / 2
        elif fault:
            rows, _ = plant(fault, rows, random)
        measurements, seconds = _measured(rows, began, random)
        yield SimulatedRun(began, began + seconds, measurements, fault)


def _files(plan: FeedPlan, seed: int) -> Iterator[Rows]:
    """Yield the rows of each run."""
    days: list[Rows] = []
    for day in simulated_days(seed):
        if plan is DAILY:
            yield day
        elif plan is WEEKLY:
            days.append(day)
            if len(days) == 7:
                yield {name: np.concatenate([each[name] for each in days]) for name in day}
                days.clear()
        else:
            ends = np.searchsorted(day["hour"], np.arange(25))
            for hour in range(24):
                yield {name: rows[ends[hour] : ends[hour + 1]] for name, rows in day.items()}


def _measured(rows: Rows, began: float, random: Generator) -> tuple[list[Measurement], float]:
    """Return the measurements of a run, and how many seconds it took: 2 s an edge and 0.2 ms a row,
    with a spread of 15 % of the run and 20 % of each edge."""
    count = len(rows["hour"])
    dies = ((rows["quantity"] == 0) & (rows["sales_cents"] > 0)) | (
        rows["match_cents"] > rows["coupon_cents"]
    )
    left = int(count - np.count_nonzero(dies))
    run = new_run_row("run", "order-lines", 1, int(began * 1000))
    load, seconds = np.exp(random.normal(0, 0.15)), 0.0
    for name, consumed in {
        "chunk.planned>ingest": max(1, -(-count // 20_000)),
        "line.ingested>validate": count,
        "line.validated>enrich": left,
        "line.enriched>price": left,
        "line.priced>load": left,
        "line.priced>flag_coupon": left,
    }.items():
        edge = new_edge()
        edge["consumed"] = consumed
        edge["dead"] = count - left if name.endswith("validate") else 0
        edge["age"] = float((2 + count * 2e-4) * load * np.exp(random.normal(0, 0.2)))
        run["edges"][name] = edge
        seconds += edge["age"]
    run["root"] = {"event": "feed.requested"}
    run["closed"] = run["opened"] + int(seconds * 1000)
    found = [
        _data("line.ingested", rows, INGESTED, np.ones(count, dtype=bool)),
        _data("line.priced", rows, PRICED, ~dies),
    ]
    return run_measurements(run, found), seconds


def _data(event: str, rows: Rows, columns: tuple[str, ...], wanted: NDArray[np.bool_]) -> EdgeData:
    data = EdgeData(QualityKey("order-lines", event, "run", None), 1, "stage")
    if wanted.any():
        masked = {name: _integers(rows[name][wanted]) for name in columns}
        data.profile = profile_columns(masked, int(wanted.sum()), _PERSONAL)
        data.profile.note_rows(_hash_rows(rows, columns, wanted))
    return data


def _hash_rows(rows: Rows, columns: tuple[str, ...], wanted: NDArray[np.bool_]) -> Hashes:
    """Return the hash of each row, as if it were JSON."""
    table = np.column_stack([rows[name][wanted] for name in columns])
    return hash_rows([row.tobytes() for row in table])


def _integers(values: NDArray[np.float64]) -> np.ma.MaskedArray[tuple[int], np.dtype[np.int64]]:
    missing = np.isnan(values)
    return np.ma.MaskedArray(np.where(missing, 0, values).astype(np.int64), missing)
