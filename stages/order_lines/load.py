"""How is each priced line written to the table exactly once?"""

from __future__ import annotations

import os
from functools import cache
from operator import itemgetter

from sqlalchemy import Connection

from farandole import Context
from stages.order_lines.order_lines_table import DEFAULT, SETTING, database, order_lines
from stages.order_lines.schemas import PricedLine

Row = tuple[int | str | None, ...]

_KEY = itemgetter(0, 1)


def load(lines: list[PricedLine], context: Context) -> None:
    """Insert the lines that the table does not have yet; commit before the offsets are committed.

    The first write of a line wins. So a batch that is delivered again changes nothing, and neither
    does a process that was frozen and continues late. Raises DatabaseUnusable.
    """
    # All writers use the same order, so two of them cannot deadlock.
    rows = sorted(map(row, lines), key=_KEY)
    with database(os.environ.get(SETTING, DEFAULT)).begin() as connection:
        inserted = _insert(connection, rows)
    if inserted < len(rows):
        context.log.debug("order_lines.known", lines=len(rows), inserted=inserted)


def row(line: PricedLine) -> Row:
    """Return the values of a line in the order of the table's columns."""
    product, household = line.product, line.household
    return (
        line.basket_id,
        line.product_id,
        line.week,
        line.store_id,
        line.household_id,
        line.quantity,
        line.sales_cents,
        line.discounts_cents,
        line.paid_cents,
        line.excess_cents,
        line.unit_price_mills,
        *((product.department, product.brand, product.category) if product else (None,) * 3),
        *((household.age, household.income) if household else (None,) * 2),
    )


def _insert(connection: Connection, rows: list[Row]) -> int:
    """Insert the rows, and return how many of them were new."""
    if connection.dialect.name == "postgresql":
        # One array for each column: half the work of one statement for each row, on both sides.
        columns = tuple(list(values) for values in zip(*rows, strict=True))
        return connection.exec_driver_sql(_statement("postgresql"), columns).rowcount
    return connection.exec_driver_sql(_statement("sqlite"), rows).rowcount


@cache
def _statement(dialect: str) -> str:
    columns = order_lines.columns
    if dialect == "postgresql":
        # %b: psycopg sends the array in binary.
        arrays = ", ".join(f"%b::{column.type}[]" for column in columns)
        values = f"SELECT * FROM unnest({arrays})"  # noqa: S608 -- all names are ours
    else:
        values = f"VALUES ({', '.join('?' for _ in columns)})"
    return (
        f"INSERT INTO {order_lines.name} ({', '.join(columns.keys())}) {values} "
        "ON CONFLICT (basket_id, product_id) DO NOTHING"
    )
