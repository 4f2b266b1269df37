"""What becomes of a planned time while the run of an earlier one has not ended, by each policy?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from farandole.events.schedule_spec import OverlapPolicy, ScheduleSpec
from tests.scheduler.driven import START, World, at


def started(overlap: OverlapPolicy, **fields: Any) -> World:
    """Return a world in which the first run of a minutely schedule goes on: it is 10:01:30."""
    world = World(now=START + timedelta(seconds=1))
    spec = ScheduleSpec(triggers="asked", cron="* * * * *", overlap=overlap, **fields)
    world.publish(each_minute=spec)
    world.start()
    world.advance(at("10:01:30"))
    return world


def reasons(world: World) -> list[str]:
    return [record.reason for record in world.records()]


def test_allow_all_lets_runs_overlap() -> None:
    world = started("allow-all")
    world.advance(at("10:03"))
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "fired"), ("10:03", "fired")]


def test_skip_skips_while_a_run_goes_on_and_names_it() -> None:
    world = started("skip")
    world.advance(at("10:02:30"))
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "skipped")]
    (run,) = world.runs()
    assert reasons(world)[1] == f"run {run} (planned for 2026-11-30 10:01:00 UTC) had not ended"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "settled"])
def test_a_run_that_has_ended_in_the_books_holds_nothing_up(status: str) -> None:
    world = started("skip")
    world.end(world.runs()[0], status)
    world.advance(at("10:02"))
    assert world.outcomes()[1] == ("10:02", "fired")


def test_a_run_whose_row_was_deleted_has_ended() -> None:
    world = started("skip")
    world.run_changed(world.runs()[0], "")
    world.advance(at("10:02"))
    assert world.outcomes()[1] == ("10:02", "fired")


def test_a_run_that_is_cancelling_has_not_ended() -> None:
    world = started("skip")
    world.run_changed(world.runs()[0], "cancelling")
    world.advance(at("10:02"))
    assert world.outcomes()[1] == ("10:02", "skipped")


def test_buffer_one_lets_one_wait_and_skips_later_ones() -> None:
    world = started("buffer-one")
    world.advance(at("10:04:30"))
    assert world.outcomes() == [("10:01", "fired"), ("10:03", "skipped"), ("10:04", "skipped")]
    world.end_all()
    world.settle()
    assert world.outcomes()[1] == ("10:02", "fired")


def test_what_fires_late_says_that_a_run_had_not_ended() -> None:
    world = started("buffer-one")
    world.advance(at("10:04:30"))
    world.end_all()
    world.settle()
    assert reasons(world)[1].startswith("late: run ")
    assert reasons(world)[1].endswith(") had not ended")


def test_buffer_one_has_room_again_once_the_one_has_fired() -> None:
    world = started("buffer-one")
    world.advance(at("10:02:30"))
    world.end_all()
    world.advance(at("10:03:30"))
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "fired")]
    world.end_all()
    world.settle()
    assert world.outcomes()[2] == ("10:03", "fired")


def test_buffer_all_fires_those_that_wait_one_after_another() -> None:
    world = started("buffer-all")
    world.advance(at("10:03:30"))
    for fired in (["10:01", "10:02"], ["10:01", "10:02", "10:03"]):
        world.end_all()
        world.settle()
        assert [when for when, _ in world.outcomes()] == fired


def test_buffer_all_skips_beyond_its_cap() -> None:
    world = started("buffer-all", buffer=2)
    world.advance(at("10:04:30"))
    assert world.outcomes() == [("10:01", "fired"), ("10:04", "skipped")]
    assert "2 planned times waited" in reasons(world)[1]


def test_buffer_all_keeps_as_many_as_its_cap_says() -> None:
    world = started("buffer-all", buffer=150)
    world.advance(at("12:40:30"))
    row = world.row("each-minute")
    assert row is not None
    assert len(row.waiting) == 150
    assert world.outcomes()[-1] == ("12:40", "skipped")


def test_cancel_other_cancels_the_run_and_fires_once_it_has_ended() -> None:
    world = started("cancel-other")
    world.advance(at("10:02:10"))
    (run,) = world.runs()
    assert world.cancelled() == [run]
    assert world.outcomes() == [("10:01", "fired")]
    world.end(run, "cancelled")
    world.settle()
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "fired")]


def test_cancel_other_lets_the_newest_stand_for_those_that_wait() -> None:
    world = started("cancel-other")
    world.advance(at("10:03:10"))
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "merged")]
    world.end_all()
    world.settle()
    assert world.outcomes()[2] == ("10:03", "fired")


def test_cancel_other_cancels_a_run_once() -> None:
    world = started("cancel-other")
    world.advance(at("10:05:10"))
    assert len(world.cancelled()) == 1


@pytest.mark.parametrize("overlap", ["skip", "buffer-one", "buffer-all", "cancel-other"])
def test_while_the_books_are_behind_a_planned_time_waits_and_alerts(
    overlap: OverlapPolicy,
) -> None:
    world = started(overlap)
    world.books.are_behind = True
    world.advance(at("10:02:10"))
    assert world.outcomes() == [("10:01", "fired")]
    assert "schedule.unknown" in {alert.kind for alert in world.alerts()}


def test_a_planned_time_that_waited_for_the_books_is_decided_when_they_are_read() -> None:
    world = started("skip")
    world.books.are_behind = True
    world.advance(at("10:02:10"))
    world.books.are_behind = False
    world.settle()
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "skipped")]


def test_while_the_books_are_behind_a_schedule_may_fire_all_the_same() -> None:
    world = started("skip", unknown="fire")
    world.books.are_behind = True
    world.advance(at("10:02"))
    assert world.outcomes()[1] == ("10:02", "fired")
    assert "nobody knew whether" in reasons(world)[1]


def test_while_the_books_are_behind_a_schedule_may_skip() -> None:
    world = started("skip", unknown="skip")
    world.books.are_behind = True
    world.advance(at("10:02"))
    assert world.outcomes()[1] == ("10:02", "skipped")
    assert "the books were behind" in reasons(world)[1]


def test_books_that_are_behind_are_nothing_to_a_schedule_whose_runs_have_ended() -> None:
    world = started("skip")
    world.end_all()
    world.settle()
    world.books.are_behind = True
    world.advance(at("10:02"))
    assert world.outcomes()[1] == ("10:02", "fired")


def test_a_run_that_is_in_no_books_counts_as_running_and_alerts_after_a_minute() -> None:
    world = started("skip")
    world.advance(at("10:02"))
    assert world.alerts() == []
    world.advance(at("10:02:10"))
    (alert,) = world.alerts()
    assert alert.kind == "schedule.unread"
    assert world.runs()[0] in alert.text


def test_the_alert_of_an_unread_run_is_resolved_once_the_books_have_it() -> None:
    world = started("skip")
    world.advance(at("10:02:10"))
    world.run_changed(world.runs()[0])
    world.advance(at("10:02:30"))
    assert [alert.state for alert in world.alerts()] == ["firing", "resolved"]


def test_only_the_newest_of_very_many_runs_are_watched() -> None:
    world = started("allow-all")
    world.advance(at("12:01:30"))
    row = world.row("each-minute")
    assert row is not None
    assert len(row.runs) == 100
