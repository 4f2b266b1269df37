"""Does a file become rows, each once?"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from farandole import Context
from farandole.testing import Pipeline

from readings.models import File, Reading
from readings.store import store

FILE = File(path=Path(__file__).parent / "data" / "readings.csv")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READINGS_DB", str(tmp_path / "readings.db"))
    return tmp_path / "readings.db"


def rows(table: Path) -> list[tuple[str, float]]:
    with closing(sqlite3.connect(table)) as connection:
        return connection.execute("select sensor, celsius from readings").fetchall()


def test_a_line_that_is_no_reading_dies_alone(pipeline: Pipeline, table: Path) -> None:
    pipeline.send("file.arrived", FILE)
    report = pipeline.run()
    assert sorted(rows(table)) == [("attic", 3.25), ("cellar", 11.5), ("cellar", 11.75)]
    (letter,) = pipeline.dead_letters()
    assert letter.stage == "check"
    assert letter.message.startswith("celsius: ")
    assert report.is_balanced


def test_a_busy_database_loses_nothing(pipeline: Pipeline, table: Path) -> None:
    pipeline.fail("store", error=sqlite3.OperationalError("busy"), times=2)
    pipeline.send("file.arrived", FILE)
    pipeline.run()
    assert len(rows(table)) == 3


def test_an_event_that_comes_again_is_stored_once(table: Path) -> None:
    event = SimpleNamespace(id="line.read/0/17/0")
    context = cast(Context, SimpleNamespace(events=[event]))
    reading = Reading(sensor="attic", at=datetime(2026, 1, 1, tzinfo=UTC), celsius=3.25)
    store(reading, context)
    store(reading, context)
    assert rows(table) == [("attic", 3.25)]
