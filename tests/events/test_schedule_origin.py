"""Does a root say which schedule it comes from?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.record import Header
from farandole.events.root_record import SCHEDULE_SOURCE, TRIGGER_SOURCE, repeat_headers
from farandole.events.schedule_origin import ScheduleOrigin, origin_headers, schedule_origin

PLANNED = datetime(2026, 11, 30, 2, 30, tzinfo=UTC)
SOURCE = ("ce_source", SCHEDULE_SOURCE.encode())
HEADERS: list[Header] = [SOURCE, *origin_headers("nightly", PLANNED)]


def test_the_headers_are_plain_text() -> None:
    assert HEADERS[1:] == [
        ("ce_schedule", b"nightly"), ("ce_plannedtime", b"2026-11-30T02:30:00Z"),
    ]  # fmt: skip


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_the_planned_time_is_read_back(planned: datetime) -> None:
    headers = [SOURCE, *origin_headers("nightly", planned)]
    assert schedule_origin(headers) == ScheduleOrigin("nightly", planned)


def test_a_repeated_root_keeps_its_planned_time_and_is_no_firing() -> None:
    headers = repeat_headers(HEADERS, "k7mq2vtd4x3aa")
    assert schedule_origin(headers) == ScheduleOrigin("nightly", PLANNED, "k7mq2vtd4x3aa")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("ce_source", TRIGGER_SOURCE.encode()), *HEADERS[1:]],
        HEADERS[:2],
        [SOURCE, ("ce_schedule", b"a\x1b[31m"), HEADERS[2]],
        [SOURCE, ("ce_schedule", None), HEADERS[2]],
        [*HEADERS[:2], ("ce_plannedtime", b"2026-13-30T02:30:00Z")],
        [*HEADERS[:2], ("ce_plannedtime", b"tomorrow")],
    ],
)
def test_other_headers_name_no_schedule(headers: list[Header]) -> None:
    assert schedule_origin(headers) is None
