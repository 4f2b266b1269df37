"""Is a backup file read as it was written, and never half?"""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events import retry_record
from farandole.events.kafka_names import KafkaNames
from farandole.events.retry_record import ParkedEvent
from farandole.operations.backup.backup_file import (
    Backup,
    SavedOffset,
    SavedPartition,
    SavedRecord,
    UnusableBackupError,
    read_backup,
    write_backup,
)
from farandole.operations.backup.restored_rows import OFFSET_SHIFT, RestoredRows, in_place

HEADER = {"pipelines": ["p"], "namespace": "old"}
ROW = SavedRecord("farandole.control", 0, 7, 1000, b"k", b"v", [("h", b"\xff")])
CONTENT = Backup(
    HEADER, [ROW], [SavedOffset("p.load", "p.in", 1, 5)],
    [SavedPartition("p.in", 1, 9, (8, 1000, "ab")), SavedPartition("p.in", 0, 0, None)],
)  # fmt: skip
contents = st.one_of(st.none(), st.binary())
records = st.builds(
    SavedRecord, st.text(), st.integers(0, 99), st.integers(0, 2**50), st.integers(-1, 2**50),
    contents, contents, st.lists(st.tuples(st.text(), st.binary())),
)  # fmt: skip


@given(st.lists(records))
def test_every_record_comes_back_byte_for_byte(saved: list[SavedRecord]) -> None:
    backup = CONTENT._replace(records=saved)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "backup.gz"
        write_backup(file, backup)
        assert read_backup(file) == backup


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: b"", "is no backup"),
        (lambda raw: raw[:-40], "damaged or no backup"),
        (lambda raw: b"PK" + raw, "damaged or no backup"),
        (lambda raw: gzip.compress(b'{"a": 1}\n'), "is no backup"),
        (lambda raw: _edited(raw, b'"k"', b'"K"'), "its lines are not those written"),
        (lambda raw: _edited(raw, b'{"lines"', b'["lines"'), "damaged or no backup"),
        (lambda raw: _edited(raw, b'["offset",', b'["offset"],['), "damaged or no backup"),
        (lambda raw: _edited(raw, b'["record",', b'["record",1,'), "damaged or no backup"),
        (lambda raw: _edited(raw, b'{"base64":', b'{"base65":'), "damaged or no backup"),
        (lambda raw: _edited(raw, b'["partition",', b'[],["partition",'), "damaged or no backup"),
        (lambda raw: gzip.compress(gzip.decompress(raw).rpartition(b'{"lines"')[0]), "not whole"),
        (lambda raw: _edited(raw, b'"farandole_backup":1', b'"farandole_backup":2'), "format 2"),
    ],
)
def test_a_damaged_file_is_refused_whole(tmp_path: Path, change: Any, message: str) -> None:
    file = tmp_path / "backup.gz"
    write_backup(file, CONTENT)
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(UnusableBackupError, match=message):
        read_backup(file)


def _edited(raw: bytes, was: bytes, now: bytes) -> bytes:
    text = gzip.decompress(raw)
    assert was in text
    return gzip.compress(text.replace(was, now))


def test_a_backup_that_fails_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup.gz"
    write_backup(file, CONTENT)
    broken = CONTENT._replace(offsets=[SavedOffset("g", "t", 0, object())])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_backup(file, broken)
    assert read_backup(file) == CONTENT
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("place", [".", "/"])
def test_a_folder_is_no_place_for_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"Is a directory|Permission|busy"):
        write_backup(Path(place), CONTENT)
    assert [*tmp_path.iterdir()] == []


def rows(*fresh: str) -> RestoredRows:
    return RestoredRows(KafkaNames("old"), KafkaNames("new"), frozenset(fresh))


def test_a_parked_event_of_a_lost_topic_gets_a_position_that_no_new_event_has() -> None:
    event = ParkedEvent("old.p.in", 1, 17, b"{}", None, (), 5)
    row = retry_record.make_retry_row(event)
    saved = SavedRecord("p.load.retry", 1, 3, 1000, row.key, row.value)
    kept = retry_record.parse_retry_row(rows().change(saved).value or b"")
    assert (kept.topic, kept.offset) == ("new.p.in", 17)
    moved = rows("p.in").change(saved)
    assert retry_record.parse_retry_row(moved.value or b"").offset == 17 + OFFSET_SHIFT
    assert moved.key == retry_record.PARKED_PREFIX + b"new.p.in/1/%d" % (17 + OFFSET_SHIFT)


def test_a_version_begins_at_once_in_a_topic_that_has_begun_anew() -> None:
    events = {
        "in": {"topic": "old.p.in", "boundaries": [5, 6], "topic_id": "x"},
        "out": {"topic": "old.p.out", "boundaries": [7], "topic_id": "y"},
    }
    saved = ROW._replace(
        topic="farandole.topology", key=b"p@1", value=orjson.dumps({"events": events})
    )
    changed = orjson.loads(rows("p.in").change(saved).value or b"")["events"]
    assert changed["in"] == {"topic": "new.p.in", "boundaries": [0, 0], "life": 2}
    assert changed["out"] == {"topic": "new.p.out", "boundaries": [7], "topic_id": "y"}


def test_the_place_in_a_lost_ledger_is_its_start() -> None:
    saved = ROW._replace(topic="farandole.bookkeeper.state", key=b"position", value=b"900")
    assert rows().change(saved).value == b"900"
    assert rows("farandole.ledger").change(saved).value == b"0"


def test_an_alert_of_a_lost_topic_does_not_hide_new_ones() -> None:
    saved = ROW._replace(topic="farandole.incidents", value=b'{"firing":1,"seen":900}')
    changed = rows("farandole.alerts").change(saved)
    assert orjson.loads(changed.value or b"")["seen"] == 0


def test_each_letter_gets_its_own_offset_again() -> None:
    filler = ROW._replace(value=b"filler")
    letters = [ROW._replace(offset=2), ROW._replace(offset=3), ROW._replace(offset=5)]
    placed = list(in_place(letters, filler))
    assert [each.offset for each in placed] == [0, 1, 2, 3, 4, 5]
    assert [each.value == b"filler" for each in placed] == [True, True, False, False, True, False]
