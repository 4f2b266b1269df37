"""Is a row never larger than its topic takes? Kafka would refuse the transaction, for ever."""

from __future__ import annotations

from datetime import timedelta

from farandole.events.kafka_names import KafkaNames
from farandole.events.schedule_row import Arrival, FiredRun, ScheduleRow, WaitingTime
from farandole.events.schedule_spec import ScheduleSpec
from farandole.router.system_topics import system_topic_specs
from farandole.scheduler.dependencies import MAX_ARRIVALS
from farandole.scheduler.planned_times import MAX_WAITING
from farandole.scheduler.schedule_decision import MAX_WATCHED_RUNS
from farandole.scheduler.scheduler_state import SchedulerState
from tests.scheduler.made import utc

START = utc("2026-11-30 02:30:00.123456")
NAME = "a-schedule-with-quite-a-long-name" * 2
LONGEST_BUFFER = 10_000


def test_the_largest_row_of_a_schedule_fits_into_its_topic() -> None:
    assert ScheduleSpec(triggers="asked", buffer=LONGEST_BUFFER).buffer == LONGEST_BUFFER
    arrival = Arrival(at=START, cause=f"s3://bucket/{'folder/' * 20}file.csv", detail={
        "etag": "0" * 32, "size": "123456789", "modified": START.isoformat(),
    })  # fmt: skip
    waiting = [
        WaitingTime(
            planned=START + n * timedelta(seconds=1),
            due=START + n * timedelta(seconds=1),
            why="run aaaaaaaaaaaaa (planned 2026-11-30T02:30:00Z) had not ended",
            suffix="0123456789abcdef",
            version=12345,
            late=True,
            reason="no scheduler ran at that time",
            arrivals={"0": arrival},
        )
        for n in range(LONGEST_BUFFER + MAX_WAITING)
    ]
    run = FiredRun(
        planned=START, event=f"{NAME}/2026-11-30T02:30:00.123456Z", topic="p." + "a" * 200,
        fired=START, run="a" * 13,
    )  # fmt: skip
    row = ScheduleRow(
        pipeline="p" * 60,
        schedule=NAME,
        version=1,
        through=START,
        waiting=tuple(waiting),
        runs=(run,) * MAX_WATCHED_RUNS,
        arrivals={str(n): (arrival,) * MAX_ARRIVALS for n in range(2)},
    )
    state = SchedulerState()
    state.put(row)
    (written,) = state.take_changes(also_cursor=False)
    names = KafkaNames()
    largest = int(
        (system_topic_specs(names)[names.schedules_topic].configs or {})["max.message.bytes"]
    )
    assert len(written.value or b"") < largest * 0.9
