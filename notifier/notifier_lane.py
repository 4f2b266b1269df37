"""What does the notifier's lane do with dead letters, alerts and control documents, and when?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import BaseModel

from farandole.events import settlement_record
from farandole.events.control_documents import MuteDocument
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition, Record, UndecodableRecord
from farandole.events.record_time import past_time, to_milliseconds
from farandole.lanes.lane_port import PlacedOffsets, StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.notifier import notifier_tables
from farandole.notifier.alert_view import AlertView
from farandole.notifier.dead_letter_view import DeadLetterView, FieldsLookup
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.delivery_tasks import DeliveryTasks
from farandole.notifier.incident_store import IncidentChanges, IncidentStore
from farandole.notifier.read_positions import ReadPositions
from farandole.telemetry.meter import Meter, Sample
from farandole.telemetry.metric_catalog import DELIVERIES, OPEN_INCIDENTS, WAITING_NOTICES

log = structlog.get_logger()

_HANDLING_SECONDS = 0.5  # seconds of handling in one transaction
_LONGEST_TRANSACTION = timedelta(seconds=10)
"""A letter can be read this long after it was written, because its transaction was open."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class NotifierLane:
    """`farandole.lanes.lane_work.LaneWork` over every dead-letter topic, the alerts, and the
    control topic.

    It counts records in the incident store, commits the rows that change, and starts an attempt to
    deliver a notice only after the row that counts the attempt is committed.
    """

    def __init__(
        self,
        names: KafkaNames,
        store: IncidentStore,
        deliveries: DeliveryTasks,
        fields_of: FieldsLookup,
        clock: Callable[[], datetime] = utc_now,
        *,
        read_age: Callable[[], float | None],
        drain_seconds: float,
        meter: Meter | None = None,
    ) -> None:
        """`read_age` returns how many seconds ago all inputs had been read to their ends; None if
        something is unread. `drain_seconds`: how long running attempts may take when the lane
        ends. `meter` counts attempts, incidents and what waits."""
        self.meter = meter or Meter()
        self.meter.watch("incidents", self._samples)
        self._names = names
        self._store = store
        self._deliveries = deliveries
        self._fields_of = fields_of
        self._clock = clock
        self._drain_seconds = drain_seconds
        self._read_age = read_age
        self._is_open = False
        self._read_up_to: datetime | None = None
        """When everything was read for the last time; None before the first time."""
        self._positions = ReadPositions()
        self._uncommitted_attempts: dict[bytes, AttemptResult] = {}
        """Results of attempts that are not committed yet. They outlive a failed transaction: `open`
        applies them again to the restored state."""

    @property
    def deferred(self) -> None:
        return None

    @property
    def drained(self) -> None:
        return None

    @property
    def throttle(self) -> None:
        return None

    @property
    def timed(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        self._is_open = True
        self._read_up_to = None
        # They are of an earlier session. Meanwhile another notifier may have made these attempts.
        self._deliveries.cancel_queued()
        names = self._names
        controls = notifier_tables.read_controls(tables[names.control_topic].values())
        self._store.restore(
            notifier_tables.read_incidents(tables[names.incidents_topic]),
            notifier_tables.read_notices(tables[names.outbox_topic]),
            [control for control in controls if isinstance(control, MuteDocument)],
        )
        self._positions.restore(notifier_tables.read_positions(tables[names.incidents_topic]))
        self._apply_attempts(self._uncommitted_attempts)

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        ends = time.monotonic() + _HANDLING_SECONDS
        settled = 0
        for record in records:
            self._handle_record(record)
            settled += 1
            if time.monotonic() >= ends:
                break
        if settled == len(records):
            self._advance_time()
        self._retry_notices()
        return self._result(settled)

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Count a record that ended the lane `deaths` times, without reading its content."""
        log.error("letter.unread", topic=record.topic, offset=record.offset, deaths=deaths)
        position = (record.topic, record.partition, record.offset, record.timestamp)
        self._handle_record(UndecodableRecord(*position))
        self._retry_notices()
        return self._result(1)

    def on_idle(self) -> BatchResult | None:
        self._advance_time()
        self._retry_notices()
        result = self._result(0)
        return result if result.writes else None

    def on_hold(self) -> BatchResult | None:
        return None

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        to_send, committed = done.receipt
        for key in committed:
            del self._uncommitted_attempts[key]
        for notice in to_send:
            self._store.outbox.start_attempt(notice)
            self._deliveries.start(notice)

    async def close(self) -> BatchResult | None:
        self._is_open = False
        await self._deliveries.stop(self._drain_seconds)
        self._take_finished_attempts()
        result = self._result(0)
        return result if result.writes else None

    def _samples(self) -> Iterator[Sample]:
        """Return what is open and what waits; nothing while the lane is another process's."""
        if not self._is_open:
            return
        for incident in self._store.incidents.values():
            if incident.resolved is None:
                acknowledged = "yes" if incident.acknowledged_by else "no"
                yield Sample(OPEN_INCIDENTS, (incident.pipeline, acknowledged), 1)
        for notice in self._store.outbox.notices.values():
            if notice.delivered is None:
                yield Sample(WAITING_NOTICES, (notice.pipeline,), 1)

    def _handle_record(self, record: Record) -> None:
        if record.topic == self._names.control_topic:
            # Workers log a record that is no document.
            for control in notifier_tables.read_controls([record.value] if record.value else []):
                self._store.apply_control(control, past_time(record.timestamp, self._clock()))
            return
        now = self._clock()
        if self._positions.was_read(record, to_milliseconds(now)):
            return
        self._positions.note(record, to_milliseconds(now))
        if record.topic == self._names.alerts_topic:
            alert = AlertView.from_record(record, now)
            if alert is not None:
                self._store.add_alert(replace(alert, time=self._plausible_time(alert.time)))
            return
        origin = self._names.parse_dead_topic(record.topic)
        if origin is not None and settlement_record.is_open_letter(record.offset, record.headers):
            letter = DeadLetterView.from_record(record, *origin, self._fields_of, now)
            self._store.add_dead_letter(replace(letter, time=self._plausible_time(letter.time)))

    def _plausible_time(self, time: datetime) -> datetime:
        """Return the time of a record that was just read, by our clock: not before everything was
        read for the last time, unless its transaction was open then. So a letter from a machine
        whose clock is behind does not look like one of a failure that is over."""
        if self._read_up_to is None:
            return time
        return max(time, self._read_up_to - _LONGEST_TRANSACTION)

    def _advance_time(self) -> None:
        """Advance the store's time to when everything was read, if nothing is unread now. The times
        in letters play no part: they are of other machines' clocks."""
        age = self._read_age()
        if age is not None:
            self._read_up_to = self._clock() - timedelta(seconds=age)
            self._store.advance_time(self._read_up_to)

    def _take_finished_attempts(self) -> None:
        finished = dict(self._deliveries.take_finished())
        for attempt in finished.values():
            self.meter.count(DELIVERIES, "delivered").add(len(attempt.delivered))
            self.meter.count(DELIVERIES, "failed").add(len(attempt.failures))
        self._uncommitted_attempts |= finished
        self._apply_attempts(finished)

    def _apply_attempts(self, attempts: Mapping[bytes, AttemptResult]) -> None:
        for key, attempt in attempts.items():
            self._store.finish_attempt(key, attempt, self._clock())

    def _retry_notices(self) -> None:
        self._take_finished_attempts()
        self._store.outbox.retry_due(self._clock())

    def _result(self, settled: int) -> BatchResult:
        """Return the transaction to commit. Its receipt names the attempts to start afterwards, and
        the attempts whose results it commits."""
        changes = self._store.take_changes() or IncidentChanges({}, {}, ())
        writes = {
            Partition(topic, 0): [OutgoingRecord(key, _row_value(row)) for key, row in rows.items()]
            for topic, rows in (
                (
                    self._names.incidents_topic,
                    {**changes.incidents, **self._positions.take_changes()},
                ),
                (self._names.outbox_topic, changes.notices),
            )
            if rows
        }
        return BatchResult(settled, writes, (changes.to_send, tuple(self._uncommitted_attempts)))


def _row_value(row: BaseModel | None) -> bytes | None:
    """Return the value of a row's record; None, a tombstone, if the row is deleted."""
    return None if row is None else row.model_dump_json().encode()
