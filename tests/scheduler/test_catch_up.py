"""What becomes of planned times that could not fire in time: after an outage, a pause, or a jump of
the clock?"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from farandole.events.schedule_spec import (
    CalendarSpec,
    CatchUpPolicy,
    CatchUpRuns,
    ScheduleSpec,
)
from farandole.scheduler import planned_times
from farandole.scheduler.calendar_days import exclusion
from tests.scheduler.driven import START, World, at

WAS_PAUSED = "the schedule was paused at that time"
NO_SCHEDULER = "no scheduler ran at that time"


def started(runs: CatchUpRuns, cron: str = "* * * * *", **policy: object) -> World:
    """Return a world in which a minutely schedule has fired once: it is 10:01:30."""
    world = World(now=START + timedelta(seconds=1))
    catch_up = CatchUpPolicy.model_validate({"runs": runs, **policy})
    spec = ScheduleSpec(triggers="asked", cron=cron, overlap="allow-all", catch_up=catch_up)
    world.publish(each_minute=spec)
    world.start()
    world.advance(at("10:01:30"))
    return world


def outage(world: World, until: datetime) -> None:
    """Let no scheduler run until then."""
    world.kill()
    world.advance(until)
    world.start()
    world.settle()


def pause(world: World, until: datetime) -> None:
    """Let the schedule be paused until then."""
    world.pause("each-minute")
    world.advance(until)
    world.resume("each-minute")
    world.settle()


def test_a_planned_time_of_less_than_a_minute_ago_is_in_time() -> None:
    world = started("none")
    outage(world, at("10:02:50"))
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "fired")]


def test_catch_up_none_misses_what_an_outage_has_kept_from_firing() -> None:
    world = started("none")
    outage(world, at("10:04:30"))
    assert world.outcomes()[1:] == [("10:02", "missed"), ("10:03", "missed"), ("10:04", "fired")]
    assert world.records()[1].reason == NO_SCHEDULER


def test_catch_up_latest_fires_the_newest_and_merges_the_others() -> None:
    world = started("latest", cron="*/5 * * * *")
    outage(world, at("10:17"))
    assert world.outcomes() == [
        ("10:05", "merged"), ("10:10", "merged"), ("10:15", "fired"),
    ]  # fmt: skip
    assert world.records()[2].reason == f"late: {NO_SCHEDULER}"


def test_catch_up_all_fires_each_in_order() -> None:
    world = started("all")
    outage(world, at("10:04:30"))
    assert world.outcomes()[1:] == [("10:02", "fired"), ("10:03", "fired"), ("10:04", "fired")]
    assert [dict(e.headers)["ce_plannedtime"][11:16] for e in world.events()] == [
        b"10:01", b"10:02", b"10:03", b"10:04",
    ]  # fmt: skip


def test_catch_up_all_fires_no_more_than_so_many_in_a_minute() -> None:
    world = started("all", per_minute=3)
    outage(world, at("10:30:10"))
    world.advance(at("10:45"))
    late = [each for each in world.records() if each.reason.startswith("late")]
    in_minute = Counter(each.at.replace(second=0) for each in late)
    assert max(in_minute.values()) == 3


def test_what_waits_behind_late_planned_times_fires_after_them() -> None:
    world = started("all", per_minute=2)
    outage(world, at("10:10:10"))
    world.advance(at("10:40"))
    fired = [each.planned for each in sorted(world.records(), key=lambda each: each.at)]
    assert fired == sorted(fired)
    assert {outcome for _, outcome in world.outcomes()} == {"fired"}


@pytest.mark.parametrize("runs", ["all", "latest"])
def test_what_is_older_than_the_window_is_missed(runs: CatchUpRuns) -> None:
    world = started(runs, cron="*/10 * * * *", within=1200.0)
    outage(world, at("10:45"))
    found = dict(world.outcomes())
    assert (found["10:10"], found["10:20"], found["10:40"]) == ("missed", "missed", "fired")
    assert "longer than 20 min 00 s ago" in world.records()[0].reason


def test_a_long_outage_ends_in_one_record_for_each_planned_time() -> None:
    world = started("latest")
    outage(world, at("22:00:30"))
    assert len(world.records()) == 12 * 60
    assert Counter(outcome for _, outcome in world.outcomes())["fired"] == 2


def test_nothing_fires_while_a_schedule_is_paused() -> None:
    world = started("all")
    world.pause("each-minute")
    world.advance(at("10:10"))
    assert world.outcomes() == [("10:01", "fired")]


def test_a_pipeline_can_be_paused_as_a_whole() -> None:
    world = started("none")
    world.pause()
    world.advance(at("10:03"))
    assert world.outcomes()[1:] == [("10:02", "skipped"), ("10:03", "skipped")]


def test_catch_up_none_skips_what_was_planned_in_a_pause() -> None:
    world = started("none")
    pause(world, at("10:03:30"))
    world.advance(at("10:04"))
    assert world.outcomes()[1:] == [("10:02", "skipped"), ("10:03", "skipped"), ("10:04", "fired")]
    assert world.records()[1].reason == WAS_PAUSED


def test_catch_up_latest_fires_the_newest_planned_time_of_a_pause() -> None:
    world = started("latest")
    pause(world, at("10:04:30"))
    assert world.outcomes()[1:] == [("10:02", "merged"), ("10:03", "merged"), ("10:04", "fired")]
    assert world.records()[3].reason == f"late: {WAS_PAUSED}"


def test_catch_up_all_fires_what_was_planned_in_a_pause() -> None:
    world = started("all")
    pause(world, at("10:04:30"))
    assert world.outcomes()[1:] == [("10:02", "fired"), ("10:03", "fired"), ("10:04", "fired")]


def test_what_a_pause_has_held_up_for_too_long_is_missed_while_it_goes_on() -> None:
    world = started("all", within=180.0)
    world.pause("each-minute")
    world.advance(at("10:07"))
    assert ("10:03", "missed") in world.outcomes()
    assert world.records()[1].reason.startswith(WAS_PAUSED)


def test_a_pause_with_an_end_is_over_by_itself() -> None:
    world = started("none")
    world.pause("each-minute", until=at("10:03:30"))
    world.advance(at("10:04"))
    assert world.outcomes()[2:] == [("10:03", "skipped"), ("10:04", "fired")]


def test_a_pause_that_nobody_saw_end_counts_until_its_end() -> None:
    world = started("none")
    world.pause("each-minute")
    world.advance(at("10:02:30"))
    world.kill()
    world.now = at("10:03:30")
    world.resume("each-minute")
    world.advance(at("10:06:30"))
    world.start()
    world.settle()
    assert [(record.outcome, record.reason) for record in world.records()[1:]] == [
        ("skipped", WAS_PAUSED),
        ("skipped", WAS_PAUSED),
        ("missed", NO_SCHEDULER),
        ("missed", NO_SCHEDULER),
        ("fired", ""),
    ]


def test_a_schedule_that_its_file_pauses_fires_once_it_is_resumed() -> None:
    world = World(now=START + timedelta(seconds=1))
    spec = ScheduleSpec(triggers="asked", cron="* * * * *", paused=True, overlap="allow-all")
    world.publish(each_minute=spec)
    world.start()
    world.advance(at("10:03:30"))
    assert world.events() == []
    world.resume("each-minute")
    world.advance(at("10:04"))
    assert [when for when, outcome in world.outcomes() if outcome == "fired"] == ["10:03", "10:04"]


def test_a_planned_time_on_an_excluded_day_does_not_fire() -> None:
    world = World(now=START + timedelta(seconds=1))
    spec = ScheduleSpec.model_validate(
        {"triggers": "asked", "cron": "0 12 * * *", "exclude": [{"weekdays": [1]}]}
    )
    world.publish(noon=spec)
    world.start()
    world.advance(at("13:00") + timedelta(days=2))
    assert [record.outcome for record in world.records()] == ["fired", "excluded", "skipped"]
    assert world.records()[1].reason == "2026-12-01 is a Tuesday"


def test_a_merged_planned_time_is_not_merged_into_an_excluded_one() -> None:
    world = World(now=START + timedelta(seconds=1))
    spec = ScheduleSpec.model_validate(
        {"triggers": "asked", "cron": "0 12 * * *", "exclude": [{"weekdays": [1]}]}
    )
    world.publish(noon=spec)
    world.advance(at("14:00") + timedelta(days=1))
    world.start()
    world.settle()
    assert [record.outcome for record in world.records()] == ["missed", "excluded"]


def test_only_the_first_of_an_excluded_day_is_looked_at_while_a_schedule_is_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = set[datetime]()

    def count(spec: ScheduleSpec, planned: datetime, *others: Any) -> str | None:
        looked_at.add(planned)
        return exclusion(spec, planned, *others)

    monkeypatch.setattr(planned_times, "exclusion", count)
    tuesday = CalendarSpec(weekdays=(1,))
    world = World(now=at("23:50"))
    world.publish(a=ScheduleSpec(triggers="asked", every=10, exclude=(tuesday,)))
    world.pause()
    world.start()
    world.advance(at("23:59:59") + timedelta(minutes=30))
    assert [outcome for _, outcome in world.outcomes()] == ["merged"] * 59
    midnight = at("23:59:59") + timedelta(seconds=1)
    assert max(looked_at) == midnight


def test_a_clock_that_jumps_back_fires_nothing_twice() -> None:
    world = started("latest")
    world.advance(at("10:05:30"))
    world.now = at("09:05:30")
    world.advance(at("10:06:30"))
    assert [when for when, _ in world.outcomes()] == [
        "10:01", "10:02", "10:03", "10:04", "10:05", "10:06",
    ]  # fmt: skip
    assert len(world.events()) == 6


def test_a_clock_that_jumps_ahead_is_an_outage() -> None:
    world = started("latest")
    world.now = at("11:01:30")
    world.settle()
    assert Counter(outcome for _, outcome in world.outcomes()) == {"fired": 2, "merged": 59}


def test_nothing_fires_between_a_jump_of_the_clock_and_its_measurement() -> None:
    world = started("latest")
    process = world.process
    assert process is not None
    process.facts.has_jumped = True
    asked = world.step(process)
    while asked != "confirm":
        asked = world.step(process)
    assert len(world.events()) == 1
    world.advance(at("10:02"))
    assert len(world.events()) == 2


def test_a_machine_that_was_suspended_for_a_day_says_why_it_is_late() -> None:
    world = started("none", cron="0 * * * *")
    world.now = at("10:00:30") + timedelta(days=1)
    world.settle()
    assert Counter(record.outcome for record in world.records()) == {"missed": 23, "fired": 1}
    assert {record.reason for record in world.records()} == {NO_SCHEDULER, ""}


def test_the_leap_day_is_a_day() -> None:
    world = World(now=datetime.fromisoformat("2028-02-28T13:00Z"))
    world.publish(noon=ScheduleSpec(triggers="asked", cron="0 12 * * *", overlap="allow-all"))
    world.start()
    world.advance(datetime.fromisoformat("2028-03-01T12:30Z"))
    assert [f"{record.planned:%m-%d}" for record in world.records()] == ["02-29", "03-01"]


def test_the_end_of_a_year_is_a_minute_like_any_other() -> None:
    world = World(now=datetime.fromisoformat("2026-12-31T23:58:30Z"))
    world.publish(each_minute=ScheduleSpec(triggers="asked", cron="* * * * *", overlap="allow-all"))
    world.start()
    world.advance(datetime.fromisoformat("2027-01-01T00:00:30Z"))
    assert [f"{record.planned:%Y %H:%M}" for record in world.records()] == [
        "2026 23:59", "2027 00:00",
    ]  # fmt: skip
