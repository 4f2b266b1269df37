"""What would another year of the shipped order lines look like?

Baskets of the shipped year are drawn anew, day by day, from the days of the same weekday within
three weeks, so that the mix of goods, the week's rhythm and the seasons are the real ones. What
one day has more or fewer of than usual is drawn too: the real residuals of a day have a standard
deviation of 0.115 on a logarithmic scale, 0.28 of which carries over to the next day, and the first
days of a month sell more. A holiday has the baskets of the real day, each once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.order_lines import source_data

type_of_rows = dict[str, NDArray[np.float64]]
"""The columns of a file by name; NaN where a value is missing."""

COLUMNS: Final = {
    "household_id": "household_id",
    "store_id": "store_id",
    "basket_id": "basket_id",
    "product_id": "product_id",
    "quantity": "quantity",
    "sales_cents": "sales_value",
    "retail_cents": "retail_disc",
    "coupon_cents": "coupon_disc",
    "match_cents": "coupon_match_disc",
}
START: Final = np.datetime64("2017-01-01T05:00:00")
"""The shop's day begins at 05:00 UTC."""
DAYS: Final = 364
HOLIDAYS: Final = (
    "2017-01-01", "2017-04-16", "2017-05-29", "2017-07-04", "2017-09-04", "2017-11-21",
    "2017-11-22", "2017-11-23", "2017-11-24", "2017-11-25", "2017-12-22", "2017-12-23",
    "2017-12-24", "2017-12-25", "2017-12-26", "2017-12-31",
)  # fmt: skip
NOISE: Final = 0.07
CARRIED: Final = 0.28
MONTH_START: Final = 0.05


@dataclass(frozen=True, slots=True)
class ShippedYear:
    """The shipped transactions, sorted by time."""

    columns: dict[str, NDArray[np.float64]]
    hour: NDArray[np.int64]
    """Of the shop's day, of each row."""
    first_row: NDArray[np.int64]
    """Of each basket; one more at the end."""
    day: NDArray[np.int64]
    """Of each basket."""


@cache
def shipped_year() -> ShippedYear:
    """Read the shipped transactions. Raises DataMissing."""
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    def read(table: str) -> dict[str, NDArray[np.generic]]:
        columns = pq.read_table(source_data.file(table))
        return {name: columns[name].to_numpy() for name in columns.column_names}

    raw = read(source_data.TRANSACTIONS)
    seconds = (raw["transaction_timestamp"] - START).astype("timedelta64[s]").astype(np.int64)
    keep = (seconds >= 0) & (seconds < DAYS * 86_400)
    order = np.lexsort((raw["basket_id"][keep], seconds[keep]))
    seconds = seconds[keep][order]
    columns = {
        name: raw[source][keep][order].astype(np.float64) for name, source in COLUMNS.items()
    }
    for name in columns:
        if name.endswith("_cents"):
            columns[name] = np.round(columns[name] * 100)
    columns.update(_joined(columns["product_id"], read(source_data.PRODUCTS), "product_id",
                           {"department": "department", "brand": "brand"}))  # fmt: skip
    columns.update(_joined(columns["household_id"], read(source_data.DEMOGRAPHICS),
                           "household_id", {"age": "age", "income": "income"}))  # fmt: skip
    first_row = np.flatnonzero(np.diff(columns["basket_id"], prepend=-1))
    return ShippedYear(
        columns=columns,
        hour=seconds // 3600 % 24,
        first_row=np.append(first_row, len(seconds)),
        day=seconds[first_row] // 86_400,
    )


def _joined(
    keys: NDArray[np.float64],
    table: dict[str, NDArray[np.generic]],
    key: str,
    wanted: dict[str, str],
) -> dict[str, NDArray[np.float64]]:
    """Return columns of another table for each row, as codes from 0; NaN where the table does not
    know the key or has no value."""
    known = table[key].astype(np.float64)
    order = np.argsort(known)
    at = np.clip(np.searchsorted(known[order], keys), 0, len(known) - 1)
    found = known[order][at] == keys
    joined = {}
    for name, source in wanted.items():
        texts = np.array(["" if each is None else str(each) for each in table[source]])
        _, codes = np.unique(texts, return_inverse=True)
        values = codes.astype(np.float64)
        values[texts == ""] = np.nan
        joined[name] = np.where(found, values[order][at], np.nan)
    return joined


def simulated_days(seed: int) -> Iterator[dict[str, NDArray[np.float64]]]:
    """Yield the rows of each day of a simulated year, sorted by hour; with a column `hour`."""
    year, random = shipped_year(), np.random.default_rng(seed)
    growth = random.uniform(0.0, 0.4)
    lengths = np.diff(year.first_row)
    of_day = [np.flatnonzero(year.day == day) for day in range(DAYS)]
    holidays = {
        int((np.datetime64(each) - START.astype("datetime64[D]")).astype(int)) for each in HOLIDAYS
    }
    carried, basket = 0.0, 1_000_000
    for day in range(DAYS):
        carried = CARRIED * carried + random.normal(0, NOISE * np.sqrt(1 - CARRIED**2))
        days = [d for d in range(day - 21, day + 22, 7) if 0 <= d < DAYS and d not in holidays]
        pool = np.concatenate([of_day[each] for each in days])
        if day in holidays:
            usual, noise = float(len(of_day[day])), carried / 2
        else:
            usual, noise = len(pool) / len(days), carried
            date = (START + np.timedelta64(day, "D")).astype("datetime64[D]")
            of_month = int((date - date.astype("datetime64[M]")).astype(int))
            noise += MONTH_START * ((of_month < 6) - 0.2)
        count = round(usual * np.exp(growth * day / 365 + noise))
        own = random.permutation(of_day[day])[:count] if day in holidays else of_day[day][:0]
        drawn = np.concatenate([own, random.choice(pool, size=count - len(own))])
        drawn = drawn[np.argsort(year.hour[year.first_row[drawn]], kind="stable")]
        rows = np.repeat(
            year.first_row[drawn] - np.cumsum(lengths[drawn]) + lengths[drawn], lengths[drawn]
        )
        rows += np.arange(len(rows))
        columns = {name: values[rows] for name, values in year.columns.items()}
        columns["basket_id"] = np.repeat(
            basket + np.arange(count, dtype=np.float64), lengths[drawn]
        )
        columns["hour"] = year.hour[rows].astype(np.float64)
        basket += count
        yield columns
