"""Which table contains the lines, and how is its database opened?"""

from __future__ import annotations

import sqlite3
import time
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

SETTING = "ORDER_LINES_DB"
DEFAULT = "sqlite:///.farandole/order-lines.db"

BUSY_SECONDS = 30.0

order_lines = Table(
    "order_lines",
    MetaData(),
    Column("basket_id", BigInteger, primary_key=True, autoincrement=False),
    Column("product_id", BigInteger, primary_key=True, autoincrement=False),
    Column("week", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("household_id", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("sales_cents", Integer, nullable=False),
    Column("discounts_cents", Integer, nullable=False),
    Column("paid_cents", Integer, nullable=False),
    Column("excess_cents", Integer, nullable=False),
    Column("unit_price_mills", Integer),
    Column("department", Text),
    Column("brand", Text),
    Column("category", Text),
    Column("age", Text),
    Column("income", Text),
)

_CREATING = 0x0FA7A2D01E  # the key of our lock in a PostgreSQL database
_QUIET = {"hide_parameters": True}  # an error must not show shoppers' data
_DEADLINES = {  # for locks and unreachable hosts, too
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
    "options": "-c statement_timeout=30s -c client_min_messages=warning",
}


class DatabaseUnusable(RuntimeError):
    """The database cannot be used; the message names the setting, the URL and the reason."""


@cache
def database(url: str) -> Engine:
    """Return the one engine of the process for `url`, after creating the table. Raises
    DatabaseUnusable."""
    parsed = _parse(url)
    try:
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgres(parsed)
        with engine.begin() as connection:
            _create(connection)
    except ImportError as error:
        raise _unusable(parsed, f"{error}; pip install 'farandole[postgres]'") from None
    except (SQLAlchemyError, OSError) as error:
        raise _unusable(parsed, getattr(error, "orig", None) or error) from None
    return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnusable(
            f"{SETTING} is no database URL; write sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise _unusable(parsed, "only sqlite:///FILE and postgresql://USER@HOST/NAME are known")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise _unusable(parsed, "several processes load the lines, so it must be a file")
    return parsed


def _unusable(url: URL, reason: object) -> DatabaseUnusable:
    why = " ".join(str(reason).split())
    return DatabaseUnusable(f"{SETTING}={url.render_as_string(hide_password=True)}: {why}")


def _sqlite(url: URL) -> Engine:
    Path(url.database or "").parent.mkdir(exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A plain BEGIN takes the write lock only at the first insert, and SQLite does not wait
        # there.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL. If several processes switch a new file at once, SQLite refuses all but one
    immediately: its busy time-out is not used here (measured: 20 of 600)."""
    given_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > given_up:
                raise
        time.sleep(0.01)


def _postgres(url: URL) -> Engine:
    missing = {name: value for name, value in _DEADLINES.items() if name not in url.query}
    return create_engine(url.update_query_dict(missing), pool_pre_ping=True, **_QUIET)


def _create(connection: Connection) -> None:
    """Create the table. One process at a time does so: in SQLite because of the transaction, in
    PostgreSQL because of a lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATING})
    order_lines.create(connection, checkfirst=True)
