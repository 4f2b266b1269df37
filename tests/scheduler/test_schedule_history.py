"""Which version decides over a planned time?"""

from __future__ import annotations

from datetime import datetime

from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.schedule_history import PipelineHistory, ScheduleHistory
from tests.scheduler.driven import at, version

EACH_HOUR = ScheduleSpec(triggers="asked", cron="0 * * * *")
EACH_QUARTER = ScheduleSpec(triggers="asked", cron="*/15 * * * *")


def history(*versions: tuple[str, ScheduleSpec | None]) -> ScheduleHistory:
    """Return the history of a schedule, by when each version was published and what it says."""
    made = [
        version(number, at(time), {} if spec is None else {"s": spec})
        for number, (time, spec) in enumerate(versions, 1)
    ]
    return ScheduleHistory(PipelineHistory(made), "s")


def planned(found: ScheduleHistory, after: str, until: str) -> list[str]:
    times: list[str] = []
    time = found.next_planned(at(after))
    while time is not None and time.at <= at(until):
        times.append(f"{time.at:%H:%M}@{time.version}")
        time = found.next_planned(time.at)
    return times


def test_a_planned_time_is_of_the_version_in_force_at_that_instant() -> None:
    found = history(("10:00", EACH_HOUR), ("12:30", EACH_QUARTER))
    assert planned(found, "10:30", "13:00") == [
        "11:00@1",
        "12:00@1",
        "12:30@2",
        "12:45@2",
        "13:00@2",
    ]


def test_a_version_is_in_force_from_the_moment_of_its_publication() -> None:
    found = history(("10:00", EACH_HOUR), ("11:00", EACH_HOUR))
    assert planned(found, "10:30", "11:00") == ["11:00@2"]


def test_a_schedule_has_no_planned_times_while_no_version_has_it() -> None:
    found = history(("10:00", EACH_HOUR), ("10:30", None), ("13:30", EACH_HOUR))
    assert planned(found, "09:59", "14:00") == ["10:00@1", "14:00@3"]


def test_a_schedule_begins_anew_after_it_was_removed() -> None:
    found = history(
        ("10:00", EACH_HOUR), ("10:30", None), ("13:30", EACH_HOUR), ("14:00", EACH_HOUR)
    )
    assert found.begins == at("13:30")


def test_a_schedule_that_is_removed_now_has_no_beginning() -> None:
    assert history(("10:00", EACH_HOUR), ("10:30", None)).begins is None


def test_the_clock_of_a_router_that_is_behind_ends_no_version_before_it_begins() -> None:
    found = history(("10:00", EACH_HOUR), ("09:00", EACH_QUARTER))
    assert planned(found, "09:59", "10:15") == ["10:00@2", "10:15@2"]


def previous(found: ScheduleHistory, time: datetime) -> str:
    before = found.previous_planned(time)
    return "" if before is None else f"{before.at:%H:%M}"


def test_the_previous_planned_time_is_of_the_version_that_was_in_force_then() -> None:
    found = history(("10:00", EACH_QUARTER), ("12:20", EACH_HOUR))
    assert previous(found, at("13:00")) == "12:15"


def test_before_its_publication_a_schedule_has_the_times_that_it_would_have_planned() -> None:
    found = history(("10:05", EACH_HOUR))
    assert previous(found, at("11:00")) == "10:00"
    assert previous(found, at("09:30")) == "09:00"
