"""Are lines loaded once, for good, and by any number of processes at a time?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from stages.order_lines.load import load, row
from stages.order_lines.order_lines_table import DatabaseUnusable, database, order_lines
from stages.order_lines.price import price
from stages.order_lines.schemas import PricedLine
from tests.order_lines.made import Made, enriched


def stored(url: str) -> list[tuple[object, ...]]:
    with database(url).connect() as connection:
        order = order_lines.c.basket_id, order_lines.c.product_id
        return [
            tuple(r) for r in connection.execute(sqlalchemy.select(order_lines).order_by(*order))
        ]


def priced(**changed: int) -> PricedLine:
    return price(enriched(**changed))


def test_a_line_is_stored_with_all_its_values(url: str) -> None:
    load([priced(quantity=2, sales_cents=50, retail_cents=7, coupon_cents=20)], Made())
    (values,) = stored(url)
    assert dict(zip(order_lines.columns.keys(), values, strict=True)) == {
        "basket_id": 31198570044,
        "product_id": 1095275,
        "week": 1,
        "store_id": 330,
        "household_id": 900,
        "quantity": 2,
        "sales_cents": 50,
        "discounts_cents": 27,
        "paid_cents": 30,
        "excess_cents": 0,
        "unit_price_mills": 285,
        "department": "PASTRY",
        "brand": "Private",
        "category": "ROLLS",
        "age": "35-44",
        "income": "35-49K",
    }


def test_what_is_unknown_is_stored_as_null(url: str) -> None:
    bare = enriched(quantity=0).model_copy(update={"product": None, "household": None})
    load([price(bare)], Made())
    assert stored(url)[0][-6:] == (None,) * 6


def test_a_late_write_never_overwrites_the_first(url: str) -> None:
    load([priced(sales_cents=50)], Made())
    late = Made()
    load([priced(sales_cents=99), priced(product_id=2)], late)
    assert {r[1]: r[6] for r in stored(url)} == {1095275: 50, 2: 50}
    assert late.log.said == [("order_lines.known", {"lines": 2, "inserted": 1})]


def test_a_line_twice_in_one_batch_is_stored_once(url: str) -> None:
    load([priced(sales_cents=50), priced(sales_cents=99)], Made())
    assert [r[6] for r in stored(url)] == [50]


def test_a_failed_batch_leaves_nothing_behind(url: str) -> None:
    broken = priced(product_id=2).model_copy(update={"week": None})
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        load([priced(product_id=1), broken, priced(product_id=3)], Made())
    assert stored(url) == []


def test_two_processes_create_the_table_and_load_at_once(url: str) -> None:
    """Each loads the same 1,000 lines in an order of its own, starting together."""
    code = (
        "import random, sys\n"
        "from tests.order_lines.made import Made\n"
        "from tests.order_lines.test_load import load, priced\n"
        "lines = [priced(product_id=n) for n in range(1000)]\n"
        "random.shuffle(lines)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "for at in range(0, 1000, 500): load(lines[at:at + 500], Made())\n"
    )
    processes = [_python(code, url) for _ in range(2)]
    assert [_says(process) for process in processes] == ["ready"] * 2
    for process in processes:
        _tell(process, "go")
    said = [process.communicate(timeout=100)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 2, said
    assert stored(url) == sorted(row(priced(product_id=n)) for n in range(1000))


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_two_writers_of_the_same_lines_never_deadlock(url: str) -> None:
    """The other holds line 1 and will want line 2: so ours must not hold line 2 as it waits."""
    one, two = priced(product_id=1), priced(product_id=2)
    with ThreadPoolExecutor(1) as thread:
        with database(url).begin() as other:
            other.execute(order_lines.insert().values(row(one)))
            ours = thread.submit(load, [two, one], Made())
            _until_somebody_waits_for_a_lock(url)
            other.execute(order_lines.insert().values(row(two)))
        ours.result(timeout=100)
    assert len(stored(url)) == 2


def _until_somebody_waits_for_a_lock(url: str) -> None:
    given_up = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert time.monotonic() < given_up, "nobody waits"


def test_a_hundred_new_files_are_opened_by_two_processes_at_once(tmp_path: Path) -> None:
    """SQLite refuses the switch to WAL to one of them, whatever the busy time-out."""
    _open_together([f"sqlite:///{tmp_path}/{number}.db" for number in range(100)])


def test_two_processes_create_one_postgresql_table_at_once(postgres: str) -> None:
    """`CREATE TABLE IF NOT EXISTS` alone fails there on a duplicate type; thirty schemas tell."""
    schemas = [f"together{number}" for number in range(30)]
    with psycopg.connect(postgres, autocommit=True) as connection:
        for schema in schemas:
            connection.execute(f"CREATE SCHEMA {schema}".encode())
    _open_together([f"{postgres}&options=-csearch_path%3D{schema}" for schema in schemas])


def _open_together(urls: list[str]) -> None:
    code = (
        "import sys\n"
        "from stages.order_lines.order_lines_table import database\n"
        "print('ready', flush=True)\n"
        "for url in sys.stdin: database(url.strip()).dispose(); print('opened', flush=True)\n"
    )
    processes = [_python(code, "") for _ in range(2)]
    assert [_says(process) for process in processes] == ["ready"] * 2
    for url in urls:
        for process in processes:
            _tell(process, url)
        assert [_says(process) for process in processes] == ["opened"] * 2
    for process in processes:
        process.communicate(timeout=100)


def _python(code: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"ORDER_LINES_DB": url},
    )


def _says(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("lines.db", "is no database URL; write sqlite:///FILE or postgresql://USER@HOST/NAME"),
        ("mysql://root@localhost/x", "only sqlite:///FILE and postgresql://"),
        ("sqlite://", "it must be a file"),
        ("sqlite:////proc/none/lines.db", "/proc/none"),
        ("sqlite:////proc/lines.db", "unable to open database file"),
        ("postgresql://me:secret@localhost:1/lines", "me:***@localhost:1/lines"),
    ],
)
def test_a_wrong_address_is_one_clear_line(
    wrong: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDER_LINES_DB", wrong)
    with pytest.raises(DatabaseUnusable) as error:
        load([priced()], Made())
    assert told in str(error.value)
    assert str(error.value).startswith("ORDER_LINES_DB")
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_the_default_is_a_file_under_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORDER_LINES_DB", raising=False)
    database.cache_clear()  # it may hold an engine for the same relative path elsewhere
    load([priced()], Made())
    assert Path(".farandole/order-lines.db").is_file()
    database("sqlite:///.farandole/order-lines.db").dispose()
    database.cache_clear()
