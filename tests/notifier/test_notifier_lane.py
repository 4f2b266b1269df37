"""Are notices written in time, for any input with any timestamps?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from farandole.events import settlement_record
from farandole.events.header_codec import decode_headers
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Record
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.notifier.incident_store import IncidentStore
from farandole.notifier.notifier_lane import NotifierLane
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

    def take_finished(self) -> list[Any]:
        return []


class Notifier:
    """The work of a lane, with a clock that the test sets."""

    def __init__(self) -> None:
        names = KafkaNames()
        self.now = START
        self.sending = Sending()
        self.work = NotifierLane(
            names, IncidentStore(lambda _: ALERTS, compose), self.sending, nothing_personal,  # type: ignore[arg-type]
            lambda: self.now, drain_seconds=1,
        )  # fmt: skip
        self.tables = (names.control_topic, names.incidents_topic, names.outbox_topic)
        self.work.open({t: {} for t in self.tables})

    async def handle(self, *records: Record) -> None:
        self.work.on_commit(await self.work.handle(records))

    def on_idle(self) -> None:
        if done := self.work.on_idle():
            self.work.on_commit(done)

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
    for number in range(9):
        notifier.now += timedelta(seconds=1)
        await notifier.handle(record(Died(0), number))
    assert notifier.notice_log() == []
    notifier.on_idle()
    notifier.now += timedelta(seconds=2)
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
