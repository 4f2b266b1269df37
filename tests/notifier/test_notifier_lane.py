"""Are notices written in time, for any input with any timestamps?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from farandole.events import settlement_record
from farandole.events.header_codec import decode_headers
from farandole.events.kafka_names import KafkaNames
from farandole.events.parked_order import Discard
from farandole.events.record import Record
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.notifier.incident_store import IncidentStore
from farandole.notifier.notifier_lane import NotifierLane
from farandole.telemetry.metric_catalog import OPEN_INCIDENTS, WAITING_NOTICES
from tests.notifier.letters import START, Died, milliseconds, nothing_personal, record
from tests.notifier.test_incident_store import ALERTS, compose


class Sending:
    """Delivers nothing, and keeps the notices that were to be sent."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.cancelled_queues = 0

    def start(self, notice: Any) -> None:
        self.started.append(notice)

    def cancel_queued(self) -> None:
        self.cancelled_queues += 1

    async def stop(self, drain_seconds: float) -> None:
        pass

    def take_finished(self) -> list[Any]:
        return []


class Notifier:
    """The work of a lane, with a clock that the test sets."""

    def __init__(self) -> None:
        names = KafkaNames()
        self.now = START
        self.read_age: float | None = 0.0
        self.sending = Sending()
        self.store = IncidentStore(lambda _: ALERTS, compose)
        self.work = NotifierLane(
            names, self.store, self.sending, nothing_personal,  # type: ignore[arg-type]
            lambda: self.now, read_age=lambda: self.read_age, drain_seconds=1,
        )  # fmt: skip
        self.tables = (names.control_topic, names.incidents_topic, names.outbox_topic)
        self.work.open({t: {} for t in self.tables})

    async def handle(self, *records: Record) -> None:
        self.work.on_commit(await self.work.handle(records), {})

    def on_idle(self) -> None:
        if done := self.work.on_idle():
            self.work.on_commit(done, {})

    def notice_log(self) -> list[tuple[str, str]]:
        return [(notice.kind, notice.subject) for notice in self.sending.started]


async def test_a_stage_that_keeps_failing_does_not_delay_notices_of_another() -> None:
    notifier = Notifier()
    await notifier.handle(record(Died(0, stage="load"), 0))
    for second in range(9):
        notifier.now = START + timedelta(seconds=second)
        await notifier.handle(record(Died(second), second))
    incidents = {notice.incident for notice in notifier.sending.started}
    assert len(incidents) == 2, "the one letter of load is told too"


async def test_nobody_is_told_of_what_somebody_has_discarded_while_it_waited() -> None:
    notifier = Notifier()
    discarded = Discard("ann", START.isoformat(), "a test")
    await notifier.handle(record(Died(0, discarded=discarded), 0))
    assert notifier.notice_log() == []


async def test_a_settlement_is_not_counted_as_a_failure() -> None:
    notifier = Notifier()
    (out,) = settlement_record.make_settlements([0], "discarded", by="ann", at=START)
    headers = decode_headers(out.headers)
    settled = SimulatedRecord("p.validate.dead", 0, 1, out.value, None, headers, milliseconds(0))
    await notifier.handle(record(Died(0), 0), settled)
    notifier.now = START + timedelta(seconds=9)
    notifier.on_idle()
    notifier.now += timedelta(seconds=2)
    notifier.on_idle()
    assert notifier.notice_log() == [("opened", "1")]


async def test_time_does_not_advance_while_a_backlog_is_read() -> None:
    """Otherwise an old unread letter would be counted after its incident was resolved."""
    notifier = Notifier()
    notifier.now = START + timedelta(hours=9)
    notifier.read_age = None
    for number in range(9):
        notifier.now += timedelta(seconds=1)
        await notifier.handle(record(Died(0), number))
    assert notifier.notice_log() == []
    notifier.read_age = 0.0
    notifier.on_idle()
    assert notifier.notice_log() == [("opened", "9")]


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62], ids=["none", "1970", "after the year 9999"])
async def test_a_dead_letter_with_any_timestamp_has_a_notice(timestamp: int) -> None:
    notifier = Notifier()
    letter = record(Died(0), 0)
    strange = SimulatedRecord(*letter[:6], timestamp)
    await notifier.handle(strange)
    notifier.on_idle()
    notifier.now += timedelta(seconds=6)
    notifier.on_idle()
    assert notifier.notice_log()[0] == ("opened", "1")


async def test_a_lane_that_opens_again_makes_no_attempt_that_it_had_planned_before() -> None:
    """Meanwhile another notifier may have had the lane, and made them."""
    notifier = Notifier()
    notifier.work.open({t: {} for t in notifier.tables})
    assert notifier.sending.cancelled_queues == 2


async def test_letters_of_a_slow_clock_do_not_hold_up_the_notices_of_others() -> None:
    """An hour behind: each of them looks like one of a backlog."""
    notifier = Notifier()
    notifier.now = START + timedelta(hours=1)
    await notifier.handle(record(Died(3600, stage="load"), 0))
    for second in range(1, 9):
        notifier.now = START + timedelta(hours=1, seconds=second)
        await notifier.handle(record(Died(second), second))
    assert {notice.incident for notice in notifier.sending.started} == {
        incident.id for incident in notifier.store.incidents.values()
    }


async def test_a_steady_failure_on_a_machine_with_a_slow_clock_is_one_incident() -> None:
    """By its own times each failure was over before it was read."""
    notifier = Notifier()
    notifier.now = START + timedelta(hours=9)
    notifier.on_idle()
    for number in range(20):
        notifier.now += timedelta(seconds=5)
        await notifier.handle(record(Died(5 * number), number))
    assert [kind for kind, _ in notifier.notice_log()] == ["opened"]
    assert len(notifier.store.incidents) == 1


# -- positions


async def test_letters_that_were_read_before_kafka_forgot_the_offsets_are_not_told_again() -> None:
    notifier = Notifier()
    letters = [record(Died(n), n) for n in range(3)]
    done = await notifier.work.handle(letters)
    rows = {
        out.key: out.value
        for partition, written in done.writes.items()
        if partition.topic == notifier.tables[1]
        for out in written
    }
    positions = {key: value for key, value in rows.items() if key and value and b"/" not in key}
    notifier.now += timedelta(days=9)
    later = Notifier()
    later.now = notifier.now
    later.work.open({table: {} for table in later.tables} | {later.tables[1]: positions})
    await later.handle(*letters)
    later.now += timedelta(seconds=6)
    later.on_idle()
    assert later.notice_log() == []
    await later.handle(record(Died(9 * 86_400), 3))
    later.now += timedelta(seconds=6)
    later.on_idle()
    assert later.notice_log() == [("opened", "1")]


async def test_open_incidents_and_waiting_notices_are_measured_while_the_lane_is_ours() -> None:
    notifier = Notifier()
    await notifier.handle(record(Died(0), 0))
    notifier.now += timedelta(seconds=9)
    notifier.on_idle()
    report = notifier.work.meter.report()
    assert report[OPEN_INCIDENTS.name] == [(["p", "no"], 1)]
    assert report[WAITING_NOTICES.name] == [(["p"], 1)]
    await notifier.work.close()
    assert notifier.work.meter.report() == {}
