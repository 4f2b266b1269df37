"""Does a new root have the id, the time and the headers that its publisher wants?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from farandole.events.root_record import new_root, schedule_source
from farandole.events.topology_version import EventSpec, Version

AT = datetime(2026, 11, 30, 2, 30, tzinfo=UTC)
VERSION = Version(
    pipeline="p",
    version=1,
    installation=UUID(int=1),
    published=AT,
    published_by="here",
    events={"asked": EventSpec(topic="p.asked", partitions=1)},
    stages={},
    format=3,
)


def test_a_root_has_the_id_and_the_time_that_it_is_given() -> None:
    root = new_root(VERSION, "asked", b"{}", event_id="nightly/1", time=AT)
    assert root.event_id == "nightly/1"
    assert dict(root.headers)["ce_time"] == b"2026-11-30T02:30:00.000000Z"


def test_a_root_has_an_id_of_its_own_and_the_time_of_now_by_default() -> None:
    one, other = (new_root(VERSION, "asked", b"{}") for _ in range(2))
    assert one.event_id != other.event_id
    time = datetime.fromisoformat(dict(one.headers)["ce_time"].decode())
    assert datetime.now(UTC) - time < timedelta(minutes=1)


def test_a_root_has_its_source_and_further_headers() -> None:
    more = [("ce_schedule", b"nightly")]
    root = new_root(VERSION, "asked", b"{}", headers=more, source=schedule_source(VERSION))
    assert dict(root.headers)["ce_source"] == schedule_source(VERSION).encode()
    assert root.headers[-1] == ("ce_schedule", b"nightly")


def test_the_sources_of_schedules_of_two_pipelines_differ() -> None:
    other = VERSION.model_copy(update={"pipeline": "other"})
    assert schedule_source(VERSION) != schedule_source(other)
