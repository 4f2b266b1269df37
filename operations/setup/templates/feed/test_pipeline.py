"""Does a file become rows, each once?"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from farandole import Reject

from readings.check import check
from readings.models import File, Line, Reading
from readings.read import read
from readings.store import store

FILE = Path(__file__).parent / "data" / "readings.csv"


def test_each_line_is_read() -> None:
    assert [line.sensor for line in read(File(path=FILE))] == ["cellar", "attic"] * 2


def test_an_impossible_reading_is_rejected() -> None:
    with pytest.raises(Reject, match="celsius"):
        check(Line(sensor="attic", at="2026-01-01T07:00:00Z", celsius="-300"))


def test_an_event_that_comes_twice_is_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READINGS_DB", str(tmp_path / "readings.db"))
    reading = Reading(sensor="attic", at=datetime(2026, 1, 1, tzinfo=UTC), celsius=3.25)
    for _ in range(2):
        store(reading, SimpleNamespace(attributes={"id": "file.arrived/0/0/0"}))
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        found = db.execute("select sensor, celsius from readings").fetchall()
    assert found == [("attic", 3.25)]
