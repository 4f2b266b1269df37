"""Does the scheduler's lane fire on time, once, and say what became of each planned time?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from farandole.events.drain_document import DrainDocument
from farandole.events.record import OutgoingRecord
from farandole.events.record_time import to_milliseconds
from farandole.events.schedule_spec import CatchUpPolicy, ScheduleSpec
from farandole.scheduler import scheduler_lane, trigger
from farandole.scheduler.schedule_decision import MAX_BYTES
from farandole.scheduler.trigger_data import TemplateValues, render
from farandole.telemetry.metric_catalog import FIRING_LATENESS, FIRINGS
from tests.scheduler.driven import ID, START, STATE, World, at, event_id, version

EACH_MINUTE = ScheduleSpec(triggers="asked", cron="* * * * *", data={"n": 1}, overlap="allow-all")


def started(**schedules: ScheduleSpec) -> World:
    """Return a world with a scheduler, and a version that is published just after a full minute."""
    world = World(now=START + timedelta(seconds=1))
    world.publish(**schedules)
    world.start()
    return world


def test_each_planned_time_fires_at_its_instant() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:03:30"))
    assert [record.at for record in world.records()] == [at("10:01"), at("10:02"), at("10:03")]
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "fired"), ("10:03", "fired")]


def test_a_trigger_says_when_it_fired_and_for_when_it_was_planned() -> None:
    world = started(each_minute=EACH_MINUTE.model_copy(update={"jitter": 30.0}))
    world.advance(at("10:02"))
    (event,) = world.events()
    headers = dict(event.headers)
    assert headers["ce_plannedtime"] == b"2026-11-30T10:01:00Z"
    assert b"2026-11-30T10:01:00" < headers["ce_time"] < b"2026-11-30T10:01:30"
    assert headers["ce_schedule"] == b"each-minute"


def test_the_id_of_a_trigger_is_that_of_its_planned_time() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:01"))
    assert [event_id(event) for event in world.events()] == ["each-minute/2026-11-30T10:01:00Z"]


def test_the_record_of_a_firing_names_the_run_that_it_has_opened() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:02"))
    assert [record.run for record in world.records()] == world.runs()


def test_a_scheduler_that_is_killed_after_it_has_fired_finds_the_run_later() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:00:59"))
    world.now = at("10:01")
    process = world.process
    assert process is not None
    while not world.records():
        world.step(process)
        world.kafka.complete("farandole.scheduler:0")
    assert [record.run for record in world.records()] == [None]
    world.kill()
    world.start()
    world.advance(at("10:01:30"))
    assert [record.run for record in world.records()] == world.runs()


def test_the_planned_times_are_those_of_the_version_in_force() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:02:30"))
    world.publish(each_minute=EACH_MINUTE.model_copy(update={"cron": "*/5 * * * *"}))
    world.advance(at("10:11"))
    assert [when for when, _ in world.outcomes()] == ["10:01", "10:02", "10:05", "10:10"]
    assert [record.version for record in world.records()] == [1, 1, 2, 2]


def test_a_schedule_that_is_removed_fires_no_more_and_its_row_is_deleted() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:01:30"))
    world.publish()
    world.advance(at("10:05"))
    assert world.outcomes() == [("10:01", "fired")]
    assert world.row("each-minute") is None


def test_a_planned_time_waits_for_a_topic_that_is_away_and_others_fire() -> None:
    other = EACH_MINUTE.model_copy(update={"triggers": "other"})
    world = World(now=START + timedelta(seconds=1))

    world.add_version(
        version(
            1,
            world.now,
            {"each-minute": EACH_MINUTE, "other": other},
            events=("asked", "done", "other"),
        )
    )
    everything = world.partitions
    world.partitions = {"p.other": 1}
    world.start()
    world.advance(at("10:01:30"))
    assert world.outcomes() == [("10:01", "fired")]
    world.partitions = everything
    world.advance(at("10:01:31"))
    assert world.outcomes() == [("10:01", "fired"), ("10:01", "fired")]


def test_the_run_is_found_of_an_event_whose_writer_had_a_slow_clock() -> None:
    world = started(a=EACH_MINUTE)
    world.advance(at("10:00:59"))
    world.kafka.clock = lambda: to_milliseconds(world.now - timedelta(hours=1))
    world.now = at("10:01")
    process = world.process
    assert process is not None
    while not world.events():
        world.step(process)
        world.kafka.complete(ID)
    world.kill()
    world.start()
    world.advance(at("10:01:01"))
    assert world.records()[0].run == world.runs()[0]


def test_a_run_that_ends_before_its_id_is_noted_is_not_passed_over() -> None:
    world = started(each_minute=EACH_MINUTE.model_copy(update={"overlap": "skip"}))
    world.advance(at("10:00:59"))
    world.now = at("10:01")
    process = world.process
    assert process is not None
    while not world.events():
        world.step(process)
        world.kafka.complete(ID)
    world.end_all()
    world.advance(at("10:02"))
    assert world.outcomes() == [("10:01", "fired"), ("10:02", "fired")]


def test_a_schedule_that_cannot_be_read_alerts_and_others_fire() -> None:
    unknown = EACH_MINUTE.model_copy(update={"zone": "Mars/Olympus"})
    world = started(each_minute=EACH_MINUTE, on_mars=unknown)
    world.advance(at("10:01:30"))
    assert world.outcomes() == [("10:01", "fired")]
    (alert,) = [alert for alert in world.alerts() if alert.kind == "schedule.failed"]
    assert "Mars/Olympus" in alert.text


def test_the_alert_of_a_schedule_that_cannot_be_read_ends_with_the_schedule() -> None:
    world = started(bad=ScheduleSpec(triggers="asked", cron="x"), good=EACH_MINUTE)
    world.advance(at("10:02"))
    world.publish(good=EACH_MINUTE)
    world.advance(at("10:05"))
    states = [each.state for each in world.alerts() if each.kind == "schedule.failed"]
    assert states == ["firing", "resolved"]


def test_data_that_do_not_fit_the_event_are_missed_with_the_reason() -> None:
    world = World(now=START + timedelta(seconds=1))
    made = version(1, world.now, {"each-minute": EACH_MINUTE})
    schema = {"type": "object", "properties": {"n": {"type": "string"}}}
    asked = made.events["asked"].model_copy(update={"data_schema": schema})
    world.add_version(made.model_copy(update={"events": {**made.events, "asked": asked}}))
    world.start()
    world.advance(at("10:01:30"))
    (record,) = world.records()
    assert (record.outcome, world.events()) == ("missed", [])
    assert "the data do not fit asked" in record.reason


def test_an_event_that_a_stage_emits_now_is_not_published_as_a_root() -> None:
    world = started(each_minute=EACH_MINUTE.model_copy(update={"triggers": "done"}))
    world.advance(at("10:01:30"))
    assert world.outcomes() == [("10:01", "missed")]
    assert "emitted by s" in world.records()[0].reason


def test_the_schedules_of_a_pipeline_of_a_newer_release_rest() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:01:30"))
    process = world.process
    assert process is not None
    process.facts.unreadable = frozenset({"p"})
    world.versions = {}
    world.advance(at("10:03:30"))
    assert world.outcomes() == [("10:01", "fired")]
    assert world.row("each-minute") is not None


def test_the_rows_of_a_pipeline_that_was_deleted_are_deleted() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.advance(at("10:01:30"))
    world.versions = {}
    world.settle()
    assert world.row("each-minute") is None


def test_a_run_of_a_drained_pipeline_may_be_unread_for_long() -> None:
    world = started(each_minute=EACH_MINUTE)
    world.write(DrainDocument(pipeline="p"))
    world.advance(at("10:05"))
    assert world.alerts() == []


def test_a_clock_that_is_far_from_the_brokers_alerts() -> None:
    world = started(each_minute=EACH_MINUTE)
    process = world.process
    assert process is not None
    process.facts.clock_difference = -7.5
    world.advance(at("10:00:30"))
    (alert,) = world.alerts()
    assert (alert.kind, alert.pipeline) == ("scheduler.clock", "p")
    assert "7.5 s behind" in alert.text


def test_a_planned_time_that_newer_time_zones_have_moved_is_told_for_a_day() -> None:
    world = World(tzdata="2026e")
    nightly = EACH_MINUTE.model_copy(update={"cron": "30 12 * * *", "zone": "Europe/Paris"})
    world.publish(nightly=nightly, hourly=EACH_MINUTE.model_copy(update={"cron": "0 * * * *"}))
    world.start()
    world.settle()
    world.kill()
    row = world.row("nightly")
    assert row is not None
    # What an older release would have planned, if Paris had another offset.
    older = row.model_copy(update={"next": at("10:30"), "due": at("10:30")})
    world.kafka.append(STATE, OutgoingRecord(older.key, older.model_dump_json().encode()))
    world.tzdata = "2026f"
    world.start()
    world.advance(at("10:02"))
    (alert,) = (each for each in world.alerts() if each.kind == "scheduler.tzdata")
    assert alert.key == "p/schedule/nightly/tzdata"
    assert (
        "the time zone database 2026f has moved the next planned time from 2026-11-30 10:30:00 UTC"
        " to 2026-11-30 11:30:00 UTC"
    ) in alert.text
    world.now += timedelta(days=1)
    world.advance(world.now + timedelta(minutes=1))
    assert [each.state for each in world.alerts() if each.kind == "scheduler.tzdata"] == [
        "firing", "resolved",
    ]  # fmt: skip


def test_what_is_caught_up_on_is_no_larger_than_a_transaction_takes() -> None:
    world = World(now=at("10:00:30"))
    world.publish(
        a=ScheduleSpec(
            triggers="asked",
            cron="* * * * *",
            overlap="allow-all",
            catch_up=CatchUpPolicy(runs="all"),
            data="x" * 800_000,
        )
    )
    world.start()
    world.settle()
    world.kill()
    world.now = at("10:30:30")
    world.start()
    world.settle()
    assert len(world.events()) == 30
    assert world.process is not None
    assert world.process.port is not None
    assert world.process.port.most_bytes < MAX_BYTES + 1_000_000


def test_a_pause_that_is_read_between_two_transactions_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{scheduler_lane.__name__}.MAX_EVENTS", 3)
    world = started(**{f"s{index}": EACH_MINUTE for index in range(5)})
    world.advance(at("10:00:59"))
    world.now = at("10:01")
    process = world.process
    assert process is not None
    while not world.events():
        world.step(process)
        world.kafka.complete(ID)
    world.pause()
    world.settle()
    assert len(world.events()) == 3


def test_an_event_that_kafka_refuses_takes_no_other_of_its_schedule_with_it() -> None:
    world = World(now=at("10:07:30"), largest_event=len('{"m":9}'))
    spec = EACH_MINUTE.model_copy(
        update={"data": {"m": "${planned.minute}"}, "catch_up": CatchUpPolicy(runs="all")}
    )
    world.publish(a=spec)
    world.start()
    world.settle()
    world.kill()
    world.now = at("10:12:30")
    world.start()
    world.settle()
    assert world.outcomes() == [
        ("10:08", "fired"),
        ("10:09", "fired"),
        ("10:10", "missed"),
        ("10:11", "missed"),
        ("10:12", "missed"),
    ]


def test_an_event_that_was_prepared_is_the_one_that_would_be_made_now() -> None:
    spec = EACH_MINUTE.model_copy(update={"data": {"at": "${planned}", "since": "${previous}"}})
    sudden, prepared = started(s=spec), started(s=spec)
    prepared.advance(at("10:00:59"))
    for world in (sudden, prepared):
        world.now = at("10:01") + timedelta(milliseconds=7)
        world.settle()
    assert [(e.value, e.headers) for e in prepared.events()] == [
        (e.value, e.headers) for e in sudden.events()
    ]


def test_what_is_published_after_an_event_was_prepared_counts() -> None:
    world = started(s=EACH_MINUTE)
    world.advance(at("10:00:59"))
    partitions = world.partitions
    world.publish(s=EACH_MINUTE.model_copy(update={"data": {"n": 2}}))
    world.partitions = partitions
    world.advance(at("10:01"))
    assert [event.value for event in world.events()] == [b'{"n":2}']


def test_a_firing_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[object] = []

    def counted(data: Any, values: TemplateValues) -> Any:
        rendered.append(values.planned)
        return render(data, values)

    monkeypatch.setattr(f"{trigger.__name__}.render", counted)
    world = started(s=EACH_MINUTE.model_copy(update={"data": {"at": "${planned}"}}))
    for instant in ("10:00:58", "10:00:59", "10:00:59.5"):
        world.advance(at(instant))
    assert rendered == [at("10:01")]
    world.advance(at("10:01"))
    assert rendered == [at("10:01")]


def test_firings_are_counted_once_with_how_late_they_were() -> None:
    world = started(each_minute=EACH_MINUTE.model_copy(update={"jitter": 30.0}))
    world.advance(at("10:03:30"))
    process = world.process
    assert process is not None
    report = process.lane.meter.report()
    assert report[FIRINGS.name] == [(["p", "each-minute", "fired"], len(world.records()))]
    ((_, lateness),) = report[FIRING_LATENESS.name]
    assert isinstance(lateness, list)
    assert sum(lateness[1:]) == len(world.records())
    late = sum((each.at - each.planned).total_seconds() for each in world.records())
    assert lateness[0] == pytest.approx(late)
