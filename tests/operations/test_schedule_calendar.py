"""Is the calendar of a schedule what became of its planned times, and what is planned?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from farandole.broker.settings import Settings
from farandole.events.firing_record import FiringRecord
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.schedule_spec import CalendarSpec, ScheduleSpec
from farandole.operations.errors import InvalidRequestError
from farandole.operations.schedules.schedule_calendar import (
    CalendarRequest,
    ScheduleDays,
    read_calendar,
    schedule_days,
)
from tests.operations.test_schedule_state import NIGHTLY, NOW, state, version
from tests.read_model.stand import installation_of

DAY = timedelta(days=1)
NIGHT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
WEEK = CalendarRequest(NOW - 3 * DAY, NOW + 4 * DAY)


def record(planned: datetime, outcome: str = "fired", **more: Any) -> FiringRecord:
    fields = {"pipeline": "p", "schedule": "nightly", "planned": planned, "version": 1}
    return FiringRecord.model_validate({"at": planned, **fields, "outcome": outcome, **more})


def days(
    *records: FiringRecord,
    spec: ScheduleSpec = NIGHTLY,
    pause: ScheduleDocument | None = None,
    statuses: dict[str, str] | None = None,
) -> ScheduleDays:
    stands = state(*([pause] if pause else []), spec=spec)
    return schedule_days(version(spec), stands, records, statuses or {}, WEEK, NOW)


def states(found: ScheduleDays) -> list[str]:
    return [each.state for each in found.marks]


def test_what_has_fired_comes_before_what_is_planned() -> None:
    found = days(record(NIGHT - DAY), record(NIGHT, "skipped", reason="a run had not ended"))
    assert states(found) == ["fired", "skipped", *["planned"] * 4]
    assert found.counts == {"fired": 1, "skipped": 1, "planned": 4}
    assert found.marks[1].why == "a run had not ended"


def test_a_firing_is_late_a_second_one_or_failed() -> None:
    late = record(NIGHT - 2 * DAY, at=NIGHT - 2 * DAY + timedelta(hours=6), reason="it was paused")
    again = record(NIGHT - 2 * DAY, at=NIGHT, suffix="7f3b")
    failed = record(NIGHT, run="r1")
    found = days(late, again, failed, statuses={"r1": "failed"})
    assert states(found)[:3] == ["late", "again", "failed"]


def test_what_somebody_has_fired_is_late_only_if_it_was() -> None:
    ordered = {"reason": "by hand: a test", "by": "ann", "order": "o1"}
    in_time = record(NIGHT - 2 * DAY, **ordered)
    late = record(NIGHT - DAY, at=NIGHT, **ordered)
    assert states(days(in_time, late))[:2] == ["fired", "late"]


def test_nothing_is_planned_while_it_is_paused() -> None:
    pause = ScheduleDocument(pipeline="p", schedule="nightly", paused=True)
    assert states(days(pause=pause)) == []
    until = pause.model_copy(update={"until": NOW + 2 * DAY})
    assert states(days(pause=until)) == ["planned"] * 2


def test_a_day_of_a_calendar_is_excluded() -> None:
    spec = NIGHTLY.model_copy(update={"exclude": (CalendarSpec(weekdays=(3,)),)})
    found = days(spec=spec)
    assert states(found) == ["planned", "excluded", "planned", "planned"]
    assert found.marks[1].why == "2026-11-26 is a Thursday"


def test_too_many_marks_become_bands_of_the_same_state() -> None:
    spec = ScheduleSpec(triggers="a", every=3600.0)
    fired = [record(NOW - timedelta(hours=n)) for n in range(48, 0, -1)]
    fired[10] = record(fired[10].planned, "missed")
    found = days(*fired, spec=spec)
    assert found.marks == []
    assert [(each.state, each.count) for each in found.bands] == [
        ("fired", 10), ("missed", 1), ("fired", 37), ("planned", 96)
    ]  # fmt: skip


def test_planned_times_beyond_what_is_counted_are_one_band() -> None:
    found = days(spec=ScheduleSpec(triggers="a", every=1.0))
    assert [(each.state, each.count) for each in found.bands] == [
        ("planned", 1_000), ("planned", None)
    ]  # fmt: skip
    assert found.bands[-1].end == WEEK.end


@pytest.mark.parametrize("end", [NOW, NOW - DAY, NOW + 33 * DAY])
async def test_a_range_that_is_empty_or_too_long_is_refused_before_kafka_is_asked(
    end: datetime,
) -> None:
    nowhere = installation_of(Settings(bootstrap="localhost:9"))
    with pytest.raises(InvalidRequestError, match="at most 32 days"):
        await read_calendar(nowhere, CalendarRequest(NOW, end))
