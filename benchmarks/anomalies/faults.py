"""What does a fault do to the rows of a run?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Rows = dict[str, NDArray[np.float64]]
"""The columns of a file; NaN where a value is missing."""


def plant(fault: str, rows: Rows, random: Generator) -> tuple[Rows, str]:
    """Return rows that have the fault, and the column it is in (empty: all rows)."""
    return _PLANTED[fault](rows, random)


def _volume(rows: Rows, random: Generator) -> tuple[Rows, str]:
    left = round(0.7 * len(rows["hour"]))
    return {name: values[:left] for name, values in rows.items()}, ""


def _nulls(rows: Rows, random: Generator) -> tuple[Rows, str]:
    name = str(random.choice(["household_id", "product_id", "quantity", "sales_cents"]))
    lost = random.random(len(rows[name])) < 0.02
    return rows | {name: np.where(lost, np.nan, rows[name])}, name


def _distinct(rows: Rows, random: Generator) -> tuple[Rows, str]:
    name = str(random.choice(["household_id", "product_id", "store_id"]))
    present, codes = np.unique(rows[name], return_inverse=True)
    return rows | {name: present[codes // 2 * 2]}, name


def _unit(rows: Rows, random: Generator) -> tuple[Rows, str]:
    name = str(random.choice(["sales_cents", "retail_cents"]))
    return rows | {name: rows[name] * 100}, name


def _category(rows: Rows, random: Generator) -> tuple[Rows, str]:
    name = str(random.choice(["department", "brand", "age", "income"]))
    here = random.random(len(rows[name])) < 0.01
    return rows | {name: np.where(here, 99.0, rows[name])}, name


def _duplicate(rows: Rows, random: Generator) -> tuple[Rows, str]:
    count = len(rows["hour"])
    first = int(random.integers(0, count - count // 4 + 1))
    again = slice(first, first + count // 4)
    return {name: np.concatenate([values, values[again]]) for name, values in rows.items()}, ""


def _stuck(rows: Rows, random: Generator) -> tuple[Rows, str]:
    name = str(random.choice(["household_id", "store_id", "product_id", "sales_cents"]))
    stuck = rows[name].copy()
    stuck[len(stuck) // 2 :] = stuck[len(stuck) // 2]
    return rows | {name: stuck}, name


_PLANTED: dict[str, Callable[[Rows, Generator], tuple[Rows, str]]] = {
    "volume": _volume,
    "nulls": _nulls,
    "distinct": _distinct,
    "unit": _unit,
    "category": _category,
    "duplicate": _duplicate,
    "stuck": _stuck,
}
