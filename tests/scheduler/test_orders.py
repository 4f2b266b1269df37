"""Do orders, to fire by hand and to backfill, fire what they say, once, and end?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from farandole.events.control_documents import ControlDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.schedule_document import BackfillDocument, FireDocument
from farandole.events.schedule_row import (
    BackfillRow,
    OrderRow,
    order_key,
    parse_backfill_row,
    parse_order_row,
)
from farandole.events.schedule_spec import (
    CalendarSpec,
    CatchUpPolicy,
    DependencySpec,
    ScheduleSpec,
)
from farandole.scheduler.schedule_decision import MAX_BYTES
from tests.scheduler.driven import CONTROL, PIPELINE, START, World, at, event_id

HOURLY = ScheduleSpec(triggers="asked", cron="0 * * * *", data={"planned": "${planned}"})


def world_with(spec: ScheduleSpec = HOURLY, *, published: datetime | None = None) -> World:
    """Return a world with a scheduler whose schedule `s` was published at 5:30."""
    world = World(now=published or at("05:30"))
    world.publish(s=spec)
    world.start()
    return world


def ran_until(now: datetime, spec: ScheduleSpec = HOURLY) -> World:
    """Return a world in which each firing's run has ended soon, until now."""
    world = world_with(spec)
    while world.now < now:
        world.advance(min(now, world.now + timedelta(minutes=30)))
        world.end_all()
    world.advance(now)
    return world


def fire(planned: datetime, id_: str = "f1", **fields: Any) -> FireDocument:
    return FireDocument(pipeline=PIPELINE, schedule="s", id=id_, planned=planned, **fields)


def backfill(start: datetime, end: datetime, **fields: Any) -> BackfillDocument:
    ordered = {"pipeline": PIPELINE, "schedule": "s", "id": "b1", "from": start, "to": end}
    return BackfillDocument.model_validate({**ordered, **fields})


def ordered(world: World, document: ControlDocument, *, runs_end: bool = True) -> World:
    """Write an order, and let the scheduler execute it."""
    world.write(document)
    for _ in range(200):
        world.advance(world.now + timedelta(seconds=1))
        before = len(world.books.log)
        if runs_end:
            world.end_all()
        if len(world.books.log) == before:
            break
    return world


def sleep_a_week(world: World) -> None:
    world.now += timedelta(days=7)
    world.advance(world.now)


def withdraw(world: World, document: ControlDocument) -> None:
    world.documents = tuple(each for each in world.documents if each.control != document)


def ids(world: World) -> list[str]:
    """Return the ids of all triggers, without their schedule and day."""
    return [event_id(event).replace("s/2026-11-30T", "") for event in world.events()]


def backfill_row(world: World, id_: str = "b1") -> BackfillRow:
    return parse_backfill_row(world.table()[f"backfill/{PIPELINE}/s/{id_}".encode()])


def order_row(world: World, document: FireDocument) -> OrderRow:
    return parse_order_row(world.table()[order_key(document.key)])


class TestByHand:
    def test_it_fires_at_once_for_any_time(self) -> None:
        world = ordered(ran_until(at("07:10")), fire(at("07:10"), by="ann"))
        assert ids(world) == ["06:00:00Z", "07:00:00Z", "07:10:00Z"]
        last = world.records()[-1]
        assert (last.by, last.order, last.run) == ("ann", "f1", world.runs()[-1])

    def test_a_time_that_has_fired_fires_once_more_with_a_suffix(self) -> None:
        world = ordered(ran_until(at("07:10")), fire(at("07:00")))
        assert ids(world) == ["06:00:00Z", "07:00:00Z", "07:00:00Z#f1"]

    def test_a_time_that_was_missed_fires_under_its_own_key(self) -> None:
        world = ran_until(at("06:10"))
        world.stop()
        world.now = at("08:10")
        world.start()
        world.advance(at("08:20"))
        assert world.outcomes() == [("06:00", "fired"), ("07:00", "merged"), ("08:00", "fired")]
        ordered(world, fire(at("07:00")))
        assert world.outcomes() == [("06:00", "fired"), ("07:00", "fired"), ("08:00", "fired")]

    def test_a_second_order_for_the_same_time_has_a_suffix(self) -> None:
        world = ran_until(at("07:10"))
        ordered(world, fire(at("03:00")))
        ordered(world, fire(at("03:00"), "f2"))
        assert ids(world)[-2:] == ["03:00:00Z", "03:00:00Z#f2"]

    def test_an_order_is_executed_once_also_by_another_scheduler(self) -> None:
        world = ordered(ran_until(at("07:10")), fire(at("07:10")))
        world.kill()
        world.start()
        world.advance(at("07:30"))
        assert ids(world) == ["06:00:00Z", "07:00:00Z", "07:10:00Z"]

    def test_a_lane_that_opens_reads_anew_what_has_fired(self) -> None:
        process = ran_until(at("06:10")).process
        assert process is not None
        assert process.facts.forgotten == 1

    def test_a_document_under_another_key_with_the_same_id_is_no_other_order(self) -> None:
        world = ordered(ran_until(at("07:10")), fire(at("07:10")))
        again = world.documents[-1]._replace(record_key=b"mine", generation=7)
        world.documents = (*world.documents, again)
        world.advance(at("07:30"))
        assert len(world.events()) == 3

    def test_of_two_documents_with_one_id_that_are_read_together_the_first_counts(self) -> None:
        world = ran_until(at("07:10"))
        world.write(fire(at("07:10")))
        second = TimedDocument(fire(at("06:10")), world.now, 7, b"mine")
        world.documents = (*world.documents, second)
        world.advance(at("07:30"))
        assert ids(world)[2:] == ["07:10:00Z"]

    def test_documents_with_one_id_are_deleted_one_after_the_other(self) -> None:
        order = fire(at("07:10"))
        world = ordered(ran_until(at("07:10")), order)
        first = world.documents[-1]
        world.documents = (*world.documents, first._replace(generation=7, record_key=b"mine"))
        sleep_a_week(world)
        world.documents = tuple(each for each in world.documents if each is not first)
        world.advance(world.now + timedelta(seconds=1))
        deleted = [each.key for each in world.kafka.read_committed(CONTROL) if each.value is None]
        assert deleted == [order.key, b"mine"]

    def test_it_fires_while_the_schedule_is_paused(self) -> None:
        world = ran_until(at("07:10"))
        world.pause("s")
        ordered(world, fire(at("07:10")))
        assert ids(world)[-1] == "07:10:00Z"

    def test_it_fires_on_an_excluded_day(self) -> None:
        spec = HOURLY.model_copy(update={"exclude": (CalendarSpec(weekdays=tuple(range(7))),)})
        world = ordered(ran_until(at("07:10"), spec), fire(at("07:00")))
        assert world.outcomes() == [("06:00", "excluded"), ("07:00", "fired")]

    def test_its_run_counts_as_one_of_the_schedule(self) -> None:
        world = ordered(ran_until(at("07:50")), fire(at("07:50")), runs_end=False)
        world.advance(at("08:10"))
        assert world.outcomes()[-1] == ("08:00", "skipped")

    def test_a_time_that_waits_fires_by_the_order_alone(self) -> None:
        world = world_with(HOURLY.model_copy(update={"overlap": "buffer-one"}))
        world.advance(at("07:10"))  # 6:00 has not ended, so 7:00 waits
        ordered(world, fire(at("07:00")), runs_end=False)
        assert ids(world) == ["06:00:00Z", "07:00:00Z"]
        world.end_all()
        world.advance(at("07:50"))
        assert ids(world) == ["06:00:00Z", "07:00:00Z"]

    def test_a_time_that_is_paused_is_not_fired_again_when_the_schedule_is_resumed(self) -> None:
        world = ran_until(at("06:10"))
        world.pause("s")
        world.advance(at("07:10"))
        ordered(world, fire(at("07:00")))
        world.resume("s")
        world.advance(at("07:30"))
        assert ids(world) == ["06:00:00Z", "07:00:00Z"]

    def test_the_very_time_of_a_planned_firing_fires_once(self) -> None:
        world = ran_until(at("06:50"))
        world.now = at("07:00")
        world.write(fire(at("07:00")))
        world.advance(at("07:30"))
        assert ids(world) in (
            ["06:00:00Z", "07:00:00Z"],
            ["06:00:00Z", "07:00:00Z", "07:00:00Z#f1"],
        )

    def test_a_time_that_is_to_come_is_refused(self) -> None:
        order = fire(at("09:00"))
        world = ordered(ran_until(at("07:10")), order)
        assert order_row(world, order).refused == (
            "2026-11-30 09:00:00 UTC is to come: what fires then stands in the file"
        )

    def test_an_order_of_a_fast_clock_waits_for_its_time(self) -> None:
        world = ran_until(at("07:10"))
        ordered(world, fire(at("07:10:05")))
        world.advance(at("07:10:10"))
        assert world.records()[-1].at == at("07:10:05")

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"schedule": "t"}, "p@1 has no schedule t"),
            ({"pipeline": "q"}, "there is no pipeline q"),
        ],
    )
    def test_an_order_for_what_there_is_not_is_refused(
        self, changed: dict[str, str], why: str
    ) -> None:
        order = fire(at("07:00")).model_copy(update=changed)
        world = ordered(ran_until(at("07:10")), order)
        assert order_row(world, order).refused == why

    def test_an_event_that_kafka_refuses_refuses_the_order(self) -> None:
        world = World(now=at("05:30"), largest_event=100)
        world.publish(s=HOURLY.model_copy(update={"data": "x" * 101}))
        world.start()
        world.advance(at("05:31"))
        order = fire(at("05:31"))
        ordered(world, order)
        assert order_row(world, order).refused == "Kafka refuses the event: too large"

    def test_data_that_do_not_render_refuse_the_order(self) -> None:
        spec = HOURLY.model_copy(update={"data": {"n": "${nothing}"}})
        order = fire(at("07:10"))
        world = ordered(ran_until(at("07:10"), spec), order)
        assert "nothing" in order_row(world, order).refused

    def test_an_order_waits_for_a_topic_that_is_away(self) -> None:
        world = ran_until(at("07:10"))
        there, world.partitions = world.partitions, {}
        ordered(world, fire(at("07:10")))
        assert len(world.events()) == 2
        world.partitions = there
        world.advance(at("07:20"))
        assert ids(world)[-1] == "07:10:00Z"

    def test_its_document_is_deleted_a_week_later_and_then_its_row(self) -> None:
        order = fire(at("07:10"))
        world = ordered(ran_until(at("07:10")), order)
        sleep_a_week(world)
        deleted = [each.key for each in world.kafka.read_committed(CONTROL) if each.value is None]
        assert deleted == [order.key]
        assert order_key(order.key) in world.table()
        withdraw(world, order)
        world.advance(world.now + timedelta(seconds=1))
        assert order_key(order.key) not in world.table()


class TestOneIdOfTwoOrders:
    def test_a_backfill_does_not_fire_what_was_fired_by_hand(self) -> None:
        world = ordered(ran_until(at("08:10")), fire(at("07:00"), "x"))
        ordered(world, backfill(at("06:00"), at("08:00"), id="x"))
        assert ids(world)[3:] == ["07:00:00Z#x", "06:00:00Z#x"]

    def test_nothing_fires_by_hand_that_a_backfill_has_fired(self) -> None:
        world = ordered(ran_until(at("08:10")), backfill(at("06:00"), at("08:00"), id="x"))
        order = fire(at("07:00"), "x")
        ordered(world, order)
        assert ids(world)[3:] == ["06:00:00Z#x", "07:00:00Z#x"]
        assert "another order with the id x" in order_row(world, order).refused


class TestBackfill:
    def test_an_event_that_kafka_refuses_takes_no_other_with_it(self) -> None:
        world = World(now=at("05:30:30"), largest_event=len('{"m":9}'))
        data = {"m": "${planned.minute}"}
        world.publish(s=ScheduleSpec(triggers="asked", cron="* * * * *", data=data))
        world.start()
        world.settle()
        world.write(backfill(at("05:08"), at("05:12"), max_parallel=10))
        world.settle()
        assert world.outcomes() == [
            ("05:08", "fired"),
            ("05:09", "fired"),
            ("05:10", "missed"),
            ("05:11", "missed"),
        ]

    def test_no_transaction_has_more_bytes_than_the_cap_and_an_event(self) -> None:
        world = world_with(ScheduleSpec(triggers="asked", cron="* * * * *", data="x" * 800_000))
        world.advance(at("05:30:10"))
        world.write(backfill(at("05:00"), at("05:30"), max_parallel=30))
        world.advance(at("05:30:50"))
        assert backfill_row(world).fired == 30
        assert world.process is not None
        assert world.process.port is not None
        assert world.process.port.most_bytes < MAX_BYTES + 1_000_000

    def test_it_fires_each_planned_time_of_its_range(self) -> None:
        world = ordered(ran_until(at("06:10")), backfill(at("02:00"), at("05:00")))
        assert ids(world)[1:] == ["02:00:00Z", "03:00:00Z", "04:00:00Z"]
        row = backfill_row(world)
        assert (row.fired, row.passed, row.next, row.runs) == (3, 0, None, ())
        assert row.ended is not None

    def test_no_more_of_its_runs_are_open_than_it_says(self) -> None:
        world = ran_until(at("06:10"))
        ordered(world, backfill(at("00:00"), at("05:00"), max_parallel=2), runs_end=False)
        assert ids(world)[1:] == ["00:00:00Z", "01:00:00Z"]
        world.end(world.runs()[1])
        world.advance(world.now + timedelta(seconds=1))
        assert ids(world)[1:] == ["00:00:00Z", "01:00:00Z", "02:00:00Z"]

    def test_its_runs_are_none_of_the_schedule(self) -> None:
        world = ran_until(at("06:10"))
        ordered(world, backfill(at("00:00"), at("05:00")), runs_end=False)
        world.advance(at("07:10"))
        assert ids(world)[-1] == "07:00:00Z"

    def test_what_has_fired_fires_once_more_with_a_suffix(self) -> None:
        world = ordered(ran_until(at("07:10")), backfill(at("05:00"), at("08:00")))
        assert ids(world)[2:] == ["05:00:00Z", "06:00:00Z#b1", "07:00:00Z#b1"]

    def test_with_missing_what_has_fired_is_left_out(self) -> None:
        world = ran_until(at("07:10"))
        ordered(world, backfill(at("05:00"), at("08:00"), missing=True))
        assert ids(world) == ["06:00:00Z", "07:00:00Z", "05:00:00Z"]
        assert (backfill_row(world).fired, backfill_row(world).passed) == (1, 2)

    def test_with_missing_what_has_fired_by_hand_is_left_out(self) -> None:
        world = ordered(ran_until(at("06:10")), fire(at("03:00")))
        ordered(world, backfill(at("02:00"), at("05:00"), missing=True))
        assert ids(world)[2:] == ["02:00:00Z", "04:00:00Z"]

    def test_excluded_days_are_left_out(self) -> None:
        spec = HOURLY.model_copy(update={"exclude": (CalendarSpec(weekdays=(0,)),)})
        world = ordered(ran_until(at("06:10"), spec), backfill(START - timedelta(hours=12), START))
        assert [event_id(each) for each in world.events()] == [
            "s/2026-11-29T22:00:00Z",
            "s/2026-11-29T23:00:00Z",
        ]
        assert backfill_row(world).passed == 7

    def test_a_range_that_goes_on_ends_when_it_was_ordered(self) -> None:
        world = ran_until(at("06:10"))
        ordered(world, backfill(at("05:00"), at("09:00")))
        assert backfill_row(world).ended is not None
        world.advance(at("07:10"))
        assert ids(world) == ["06:00:00Z", "05:00:00Z", "06:00:00Z#b1", "07:00:00Z"]

    def test_a_range_without_planned_times_is_over_at_once(self) -> None:
        world = ordered(ran_until(at("06:10")), backfill(at("05:10"), at("05:20")))
        assert (backfill_row(world).fired, backfill_row(world).ended is None) == (0, False)

    def test_it_uses_the_data_of_the_newest_version(self) -> None:
        world = ran_until(at("06:10"))
        world.publish(s=HOURLY.model_copy(update={"data": {"new": True}}))
        ordered(world, backfill(at("05:00"), at("06:00")))
        assert (world.events()[-1].value, world.records()[0].version) == (b'{"new":true}', 2)

    def test_a_change_of_the_file_counts_from_there_on(self) -> None:
        world = ran_until(at("06:10"))
        ordered(world, backfill(at("01:00"), at("05:00")), runs_end=False)
        world.publish(s=HOURLY.model_copy(update={"cron": "30 * * * *"}))
        ordered(world, fire(at("06:10")))
        assert [each for each in ids(world)[1:] if "10" not in each] == [
            "01:00:00Z",
            "02:30:00Z",
            "03:30:00Z",
            "04:30:00Z",
        ]

    def test_a_schedule_that_is_removed_ends_it(self) -> None:
        world = ran_until(at("06:10"))
        ordered(world, backfill(at("01:00"), at("05:00")), runs_end=False)
        world.publish()
        world.advance(at("06:20"))
        assert backfill_row(world).why == "p@2 has no schedule s"
        assert backfill_row(world).ended is not None

    def test_a_schedule_that_waits_for_runs_only_cannot_be_backfilled(self) -> None:
        spec = ScheduleSpec(triggers="asked", after=(DependencySpec(pipeline="q"),))
        world = world_with(spec)
        ordered(world, backfill(at("01:00"), at("05:00")))
        assert backfill_row(world).why == "the schedule has no planned times any more"

    def test_without_its_document_it_begins_no_more_runs(self) -> None:
        world, order = ran_until(at("06:10")), backfill(at("01:00"), at("05:00"))
        ordered(world, order, runs_end=False)
        withdraw(world, order)
        world.advance(at("06:20"))
        world.end_all()
        world.advance(at("06:30"))
        row = backfill_row(world)
        assert ids(world)[1:] == ["01:00:00Z"]
        assert (row.why, row.next, row.runs) == ("its document was deleted", at("02:00"), ())
        sleep_a_week(world)
        assert order.key not in world.table()

    def test_a_document_that_is_written_again_is_no_new_backfill(self) -> None:
        world, order = ran_until(at("06:10")), backfill(at("04:00"), at("05:00"))
        ordered(world, order)
        withdraw(world, order)
        world.advance(at("06:20"))
        ordered(world, order)
        assert ids(world) == ["06:00:00Z", "04:00:00Z"]

    def test_another_scheduler_goes_on_where_it_was(self) -> None:
        world = ran_until(at("06:10"))
        ordered(world, backfill(at("01:00"), at("05:00")), runs_end=False)
        world.kill()
        world.start()
        world.end_all()
        for _ in range(10):
            world.advance(world.now + timedelta(seconds=1))
            world.end_all()
        assert ids(world)[1:] == ["01:00:00Z", "02:00:00Z", "03:00:00Z", "04:00:00Z"]
        assert backfill_row(world).fired == 4

    @pytest.mark.parametrize("steps", range(0, 40, 3))
    def test_a_take_over_at_any_step_fires_each_time_once(self, steps: int) -> None:
        world = ran_until(at("06:10"))
        world.write(backfill(at("03:00"), at("07:00"), max_parallel=2))
        world.now += timedelta(seconds=1)
        process = world.process
        assert process is not None
        for _ in range(steps):
            world.step(process)
            world.kafka.complete("farandole.scheduler:0")
        world.kill()
        world.start()
        for _ in range(10):
            world.advance(world.now + timedelta(seconds=1))
            world.end_all()
        assert ids(world) == ["06:00:00Z", "03:00:00Z", "04:00:00Z", "05:00:00Z", "06:00:00Z#b1"]
        assert [each.run for each in world.records()].count(None) == 0

    def test_it_fires_while_the_schedule_is_paused(self) -> None:
        world = ran_until(at("06:10"))
        world.pause("s")
        ordered(world, backfill(at("04:00"), at("06:00")))
        assert ids(world)[1:] == ["04:00:00Z", "05:00:00Z"]

    @pytest.mark.parametrize("runs", ["all", "latest"])
    def test_what_it_fires_in_a_pause_does_not_fire_again_after_it(self, runs: Any) -> None:
        world = ran_until(
            at("06:10"),
            HOURLY.model_copy(
                update={"catch_up": CatchUpPolicy(runs=runs), "overlap": "allow-all"}
            ),
        )
        world.pause("s")
        world.advance(at("09:10"))
        ordered(world, backfill(at("07:00"), at("10:00"), max_parallel=5))
        world.resume("s")
        world.advance(at("09:50"))
        assert ids(world)[1:] == ["07:00:00Z", "08:00:00Z", "09:00:00Z"]

    def test_excluded_days_do_not_keep_it_from_what_a_pause_has_left(self) -> None:
        spec = HOURLY.model_copy(
            update={
                "cron": "0 0 * * *",
                "exclude": (CalendarSpec(weekdays=(5, 6)),),
                "catch_up": CatchUpPolicy(runs="all", within=864_000.0),
                "overlap": "allow-all",
            }
        )
        thursday = START - timedelta(days=4)
        world = world_with(spec, published=thursday)
        world.pause("s")
        world.now = START
        world.advance(START)
        ordered(world, backfill(thursday, START, max_parallel=5))
        world.resume("s")
        world.advance(START + timedelta(minutes=2))
        assert [event_id(each)[:12] for each in world.events()] == ["s/2026-11-27", "s/2026-11-30"]

    def test_what_waits_fires_by_it_alone(self) -> None:
        world = world_with(HOURLY.model_copy(update={"overlap": "buffer-all"}))
        world.advance(at("09:10"))  # 6:00 has not ended, so 7:00, 8:00 and 9:00 wait
        ordered(world, backfill(at("07:00"), at("09:00"), missing=True), runs_end=False)
        assert ids(world) == ["06:00:00Z", "07:00:00Z"]
        for _ in range(5):
            world.end_all()
            world.advance(world.now + timedelta(seconds=10))
        assert sorted(ids(world)) == ["06:00:00Z", "07:00:00Z", "08:00:00Z", "09:00:00Z"]

    def test_a_gap_and_an_overlap_of_the_clocks_fire_as_they_would_have(self) -> None:
        spec = HOURLY.model_copy(update={"cron": "30 2 * * *", "zone": "Europe/Paris"})
        world = world_with(spec, published=at("05:30"))
        for id_, start in (("gap", "2026-03-28"), ("overlap", "2026-10-24")):
            begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
            ordered(world, backfill(begin, begin + timedelta(days=3), id=id_, max_parallel=9))
        assert [event_id(each)[2:] for each in world.events()] == [
            "2026-03-28T01:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z",
            "2026-10-24T00:30:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z",
        ]

    def test_data_that_do_not_render_are_recorded_as_missed_and_it_goes_on(self) -> None:
        spec = HOURLY.model_copy(update={"data": {"n": "${nothing}"}})
        world = ordered(world_with(spec), backfill(at("03:00"), at("05:00")))
        assert world.outcomes() == [("03:00", "missed"), ("04:00", "missed")]
        assert (backfill_row(world).passed, backfill_row(world).ended is None) == (2, False)

    def test_it_waits_for_a_topic_that_is_away_and_says_so(self) -> None:
        world = ran_until(at("06:10"))
        there, world.partitions = world.partitions, {}
        ordered(world, backfill(at("03:00"), at("05:00")))
        assert backfill_row(world).why.startswith("the topic p.asked does not exist")
        world.partitions = there
        for _ in range(5):
            world.advance(world.now + timedelta(seconds=10))
            world.end_all()
        assert ids(world)[1:] == ["03:00:00Z", "04:00:00Z"]
        assert backfill_row(world).why == ""

    def test_a_calendar_that_is_not_known_here_ends_it_with_the_reason(self) -> None:
        spec = HOURLY.model_copy(update={"exclude": (CalendarSpec(holidays="XX"),)})
        world = ordered(world_with(spec), backfill(at("03:00"), at("05:00")))
        assert "no holidays are known of 'XX'" in backfill_row(world).why

    def test_its_document_is_deleted_a_week_later_and_then_its_row(self) -> None:
        world, order = ran_until(at("06:10")), backfill(at("03:00"), at("05:00"))
        ordered(world, order)
        sleep_a_week(world)
        deleted = [each for each in world.kafka.read_committed(CONTROL) if each.value is None]
        assert [each.key for each in deleted] == [order.key]
        withdraw(world, order)
        world.advance(world.now + timedelta(seconds=1))
        assert order.key not in world.table()
