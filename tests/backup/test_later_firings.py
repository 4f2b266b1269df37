"""Does nothing fire twice where topics hold triggers that the backup does not know?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest

from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.firing_record import FiringKey, FiringRecord, parse_firing, serialize_firing
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Header, Record
from farandole.events.root_record import SCHEDULE_SOURCE, new_root_headers
from farandole.events.schedule_origin import origin_headers
from farandole.events.schedule_row import FiredRun, ScheduleRow, WaitingTime, parse_schedule_row
from farandole.operations.backup.backup_file import SavedRecord
from farandole.operations.backup.later_firings import LaterFirings
from farandole.operations.backup.restored_rows import RestoredRows, with_moved_cursor
from farandole.scheduler.scheduler_state import BOOKS_KEY

NAMES = KafkaNames()
TOPIC = "p.asked"


def at(hour: int) -> datetime:
    return datetime(2026, 11, 30, hour, tzinfo=UTC)


def row(**fields: Any) -> ScheduleRow:
    return ScheduleRow(pipeline="p", schedule="hourly", version=3, through=at(2), **fields)


def saved(value: ScheduleRow | FiringRecord) -> SavedRecord:
    if isinstance(value, ScheduleRow):
        topic, key, data = NAMES.schedules_topic, value.key, value.model_dump_json().encode()
    else:
        topic, key, data = NAMES.firings_topic, value.key.record_key, serialize_firing(value)
    return SavedRecord(topic, 0, 0, 1, key, data)


def fired(hour: int, **fields: Any) -> FiringRecord:
    made: dict[str, Any] = {"outcome": "fired", "at": at(hour), "version": 3, **fields}
    return FiringRecord(pipeline="p", schedule="hourly", planned=at(hour), **made)


def trigger(hour: int, suffix: str = "", schedule: str = "hourly", *more: Header) -> Record:
    key = FiringKey("p", schedule, at(hour), suffix)
    headers = [
        *new_root_headers("asked", SCHEDULE_SOURCE, event_id=key.event_id),
        *origin_headers(schedule, at(hour)), *more,
    ]  # fmt: skip

    class Sent:
        topic, partition, offset, value = TOPIC, 0, hour, b"{}"
        timestamp = int(at(hour).timestamp() * 1000)

    sent = Sent()
    sent.headers = headers  # type: ignore[attr-defined]
    return cast(Record, sent)


def restored(records: list[SavedRecord], *triggers: Record) -> tuple[ScheduleRow, dict[str, Any]]:
    """The row, and by event what the firings say."""
    later = LaterFirings(records)
    for each in triggers:
        later.add("p", each)
    found = later.records(records)
    (state,) = (each.value for each in found if each.topic == NAMES.schedules_topic)
    firings = [parse_firing(e.value or b"") for e in found if e.topic == NAMES.firings_topic]
    assert len({each.key for each in firings}) == len(firings)
    return parse_schedule_row(state or b""), {f.key.event_id: f.outcome for f in firings}


def test_what_has_fired_since_does_not_fire_again() -> None:
    waiting = tuple(WaitingTime(planned=at(h), due=at(h)) for h in (2, 3))
    found, firings = restored([saved(row(waiting=waiting)), saved(fired(1))], trigger(2))
    assert found.through == at(2)
    assert [each.planned for each in found.waiting] == [at(3)]
    assert [(each.event, each.run, each.state) for each in found.runs] == [
        ("hourly/2026-11-30T02:00:00Z", None, "unread")
    ]
    assert found.runs[0].record is not None
    assert firings == {
        "hourly/2026-11-30T01:00:00Z": "fired", "hourly/2026-11-30T02:00:00Z": "fired",
    }  # fmt: skip
    found, _ = restored([saved(row())], trigger(3), trigger(4, "by-hand"))
    assert found.through == at(4)
    assert [each.suffix for each in found.runs] == ["", "by-hand"]


def test_a_record_of_what_was_missed_is_replaced_where_it_has_fired_since() -> None:
    _, firings = restored([saved(row()), saved(fired(1, outcome="missed"))], trigger(1))
    assert firings == {"hourly/2026-11-30T01:00:00Z": "fired"}


@pytest.mark.parametrize(
    "other",
    [
        trigger(1), trigger(3, "", "gone"),
        trigger(3, "", "hourly", (REPEATED_RUN_HEADER, b"a" * 13)),
    ],
)  # fmt: skip
def test_what_is_known_already_and_what_is_no_firing_changes_nothing(other: Record) -> None:
    records = [saved(row()), saved(fired(1))]
    assert restored(records, other) == restored(records)


def test_runs_of_a_topic_that_has_begun_anew_keep_no_schedule_from_firing() -> None:
    def run(topic: str) -> FiredRun:
        return FiredRun(planned=at(1), event="e", topic=topic, fired=at(1), state="running")

    state = row(runs=(run("old.p.lost"), run("old.p.kept")), last=run("old.p.lost"))
    rows = RestoredRows(KafkaNames("old"), KafkaNames("new"), {"p.lost"})
    found = parse_schedule_row(rows.change(saved(state)).value or b"")
    assert [each.topic for each in found.runs] == ["new.p.kept"]
    assert found.last is not None
    assert (found.last.topic, found.last.state) == ("new.p.lost", "ended")


def test_runs_that_the_scheduler_had_read_are_not_read_again() -> None:
    def run(partition: int, offset: int) -> SavedRecord:
        return SavedRecord(NAMES.runs_topic, partition, offset, 1, b"%d" % offset, b"{}")

    value = orjson.dumps({"cursor": {"0": 7, "1": 3, "2": 9}, "more": 1})
    books = SavedRecord(NAMES.schedules_topic, 0, 0, 1, BOOKS_KEY, value)
    runs = [run(0, 2), run(0, 6), run(0, 7), run(1, 5)]
    *kept, moved = with_moved_cursor([*runs, books], {0: 100})
    assert kept == runs
    assert orjson.loads(moved.value or b"") == {"cursor": {"0": 102, "1": 0, "2": 0}, "more": 1}
