"""What does the profile of ten fields cost, beside reading them?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow
from pydantic import BaseModel

from farandole.events.profile_delta import MAX_DELTA_BYTES
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.profiling import profile_columns, profile_rows

PERSONAL = frozenset({"buyer"})
BATCHES = (100, 1_000)  # rows of a transaction, beside the number that is asked for
_ROWS_A_ROUND = 20_000  # of each task
_MANY_COLUMNS = 10  # times as many rows where columns are given


class Line(BaseModel):
    """An order line of ten fields."""

    id: int
    buyer: int
    store: int
    sku: int
    week: int
    qty: int
    cents: int
    price: float
    state: Literal["new", "paid", "sent"]
    note: str | None


def line(number: int) -> bytes:
    """Return an order line as JSON of about 118 bytes: two fields have a value of their own in each
    line, four some hundred values, the others few."""
    cents = 100 + number * 37 % 900
    return (
        b'{"id":%d,"buyer":%d,"store":%d,"sku":%d,"week":%d,"qty":1,"cents":%d,"price":%.2f,'
        b'"state":"%b","note":null}'
        % (
            31_198_570_044 + number, number % 2_469, 100 + number % 300,
            1_000_000 + number * 7_919 % 92_331, 1 + number % 53, cents, cents / 100,
            (b"new", b"paid", b"sent")[number % 3],
        )
    )  # fmt: skip


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Return the least microseconds of CPU for each row, by what is done with it: the least of the
    rounds is what it costs, and the rest is other work of the machine."""
    raws = [line(number) for number in range(rows)]
    typed = Line.__pydantic_validator__.validate_json
    tasks: dict[str, tuple[int, Callable[[], object]]] = {
        "orjson.loads": (rows, lambda: [orjson.loads(raw) for raw in raws]),
        "decoded into a model": (rows, lambda: [typed(raw) for raw in raws]),
    }
    for batch in (*BATCHES, rows):
        tasks |= _of_batch(raws[:batch])
    for many in (rows, rows * _MANY_COLUMNS):
        tasks[f"profile of {many:,} rows as columns"] = many, _of_columns(many)
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, (size, task) in tasks.items():
            best[name] = min(best[name], _microseconds(task, _ROWS_A_ROUND // size or 1) / size)
    for name, microseconds in best.items():
        print(f"  {name:42} {microseconds:8.2f} µs a row")
    found = best[f"profile of {rows:,} rows"]
    return {
        "what": f"ten fields in {len(raws[0])} bytes of JSON, µs of CPU a row",
        "best": {name: round(each, 3) for name, each in best.items()},
        "profile / orjson.loads": found / best["orjson.loads"],
        "profile / decoded into a model": found / best["decoded into a model"],
    }


def _of_batch(raws: Sequence[bytes]) -> dict[str, tuple[int, Callable[[], object]]]:
    """What a lane does with the rows of one transaction, and the bookkeeper with their delta."""
    size, profile = len(raws), profile_rows(raws, PERSONAL)
    delta, folded = profile.to_delta(MAX_DELTA_BYTES), profile.copy()
    return {
        f"profile of {size:,} rows": (size, lambda: profile_rows(raws, PERSONAL)),
        f"its delta, {len(delta):,} bytes": (size, lambda: profile.to_delta(MAX_DELTA_BYTES)),
        f"its {len(delta):,} bytes folded": (
            size, lambda: folded.merge(EdgeProfile.from_json(orjson.loads(delta)))
        ),
    }  # fmt: skip


def _of_columns(rows: int) -> Callable[[], object]:
    lines = [orjson.loads(line(number)) for number in range(rows)]
    columns: Mapping[str, Any] = {
        name: (pyarrow.array if name in ("state", "note") else np.array)([e[name] for e in lines])
        for name in lines[0]
    }
    return lambda: profile_columns(columns, rows, PERSONAL)


def _microseconds(task: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        task()
    return (time.process_time() - began) * 1e6 / times
