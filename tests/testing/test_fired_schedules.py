"""Does a test see what a schedule triggers?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farandole.events.schedule_origin import ScheduleOrigin, schedule_origin
from farandole.testing import Pipeline
from tests.testing.projects import write_project

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TOPOLOGY = """
    pipeline: feeds
    events: {feed.requested: {key: day}}
    stages: {read: {run: "MODULE:read", subscribes: feed.requested, emits: feed.read}}
    schedules:
      nightly:
        cron: "30 2 * * *"
        zone: Europe/Paris
        triggers: feed.requested
        data: {day: "${planned:%Y-%m-%d}", since: "${previous}"}
      whenever:
        after: {file: "/in/*.csv"}
        triggers: feed.requested
        data: {day: "${file}", since: "${file.etag}"}
      once: {at: "2026-01-01T00:00", triggers: feed.requested, data: {day: x, since: y}}
"""
CODE = """
    from pydantic import BaseModel

    class Feed(BaseModel):
        day: str
        since: str

    def read(feed: Feed) -> Feed:
        return feed
"""


@pytest.fixture
def feeds(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(write_project(tmp_path, TOPOLOGY, CODE), start=NOW) as pipeline:
        yield pipeline


def test_a_schedule_triggers_its_event_for_its_next_planned_time(feeds: Pipeline) -> None:
    fired = feeds.fire("nightly")
    assert feeds.run().status == "completed"
    (read,) = feeds.emitted("feed.read")
    assert read.run == fired.run
    assert read.data == {"day": "2026-12-01", "since": "2026-11-30T02:30:00+01:00"}


def test_the_event_is_that_of_the_scheduler(feeds: Pipeline) -> None:
    fired = feeds.fire("nightly", datetime(2026, 6, 1, 0, 30, tzinfo=UTC))
    assert fired.id == "nightly/2026-06-01T00:30:00Z"
    assert fired.key == "2026-06-01"
    origin = schedule_origin(fired.record.headers)
    assert origin == ScheduleOrigin("nightly", datetime(2026, 6, 1, 0, 30, tzinfo=UTC))


def test_a_time_without_an_offset_is_local(feeds: Pipeline) -> None:
    assert feeds.fire("nightly", "2026-06-01T02:30").id == "nightly/2026-06-01T00:30:00Z"


def test_what_has_come_is_in_the_data(feeds: Pipeline) -> None:
    feeds.fire("whenever", after=[{"file": "/in/a.csv", "etag": "7"}])
    feeds.run()
    assert feeds.emitted("feed.read")[0].data == {"day": "/in/a.csv", "since": "7"}


def test_what_has_come_need_not_be_said(feeds: Pipeline) -> None:
    feeds.fire("whenever")
    assert feeds.run().status == "completed"


def test_what_cannot_fire_says_why(feeds: Pipeline) -> None:
    with pytest.raises(LookupError, match="there is no schedule 'nightli'; there are nightly"):
        feeds.fire("nightli")
    with pytest.raises(ValueError, match="no planned time after"):
        feeds.fire("once")
    with pytest.raises(ValueError, match="has no time zone"):
        feeds.fire("nightly", datetime(2026, 6, 1))
    with pytest.raises(ValueError, match="0 dependencies, and 1 are given"):
        feeds.fire("nightly", after=[{"file": "/in/a.csv"}])
