"""What does the notifier's lane do with dead letters, alerts and control documents, and when?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel

from farandole.events import settlement_record
from farandole.events.control_documents import MuteDocument
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition, Record, UndecodableRecord
from farandole.events.record_time import past_time_ms
from farandole.lanes.lane_port import StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.quiet_clock import QuietClock
from farandole.notifier import notifier_tables
from farandole.notifier.alert_view import AlertView
from farandole.notifier.dead_letter_view import DeadLetterView, SchemaLookup
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.delivery_tasks import DeliveryTasks
from farandole.notifier.incident_store import IncidentChanges, IncidentStore

log = structlog.get_logger()

_HANDLING_SECONDS = 0.5  # seconds of handling in one transaction
_QUIET_MS = 2_000
_OLD_LETTER_MS = 10_000


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
        schema_lookup: SchemaLookup,
        clock: Callable[[], datetime] = utc_now,
        *,
        drain_seconds: float,
    ) -> None:
        """`drain_seconds`: how long running attempts may take when the lane ends."""
        self._names = names
        self._store = store
        self._deliveries = deliveries
        self._schema_lookup = schema_lookup
        self._clock = clock
        self._drain_seconds = drain_seconds
        self._quiet_clock = QuietClock(_QUIET_MS, _OLD_LETTER_MS)
        self._uncommitted_attempts: dict[bytes, AttemptResult] = {}
        """Results of attempts that are not committed yet. They outlive a failed transaction: `open`
        applies them again to the restored state."""

    @property
    def deferred(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        self._quiet_clock.restart()
        # They are of an earlier session. Meanwhile another notifier may have made these attempts.
        self._deliveries.cancel_queued()
        names = self._names
        controls = notifier_tables.read_controls(tables[names.control_topic].values())
        self._store.restore(
            notifier_tables.read_incidents(tables[names.incidents_topic]),
            notifier_tables.read_notices(tables[names.outbox_topic]),
            [control for control in controls if isinstance(control, MuteDocument)],
        )
        self._apply_attempts(self._uncommitted_attempts)

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        ends = time.monotonic() + _HANDLING_SECONDS
        settled = 0
        for record in records:
            self._handle_record(record)
            settled += 1
            if time.monotonic() >= ends:
                break
        self._advance_time(records, some_unread=settled < len(records))
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
        self._advance_time(())
        self._retry_notices()
        result = self._result(0)
        return result if result.writes else None

    def on_commit(self, done: BatchResult) -> None:
        to_send, committed = done.receipt
        for key in committed:
            del self._uncommitted_attempts[key]
        for notice in to_send:
            self._store.outbox.start_attempt(notice)
            self._deliveries.start(notice)

    async def close(self) -> BatchResult | None:
        await self._deliveries.stop(self._drain_seconds)
        self._take_finished_attempts()
        result = self._result(0)
        return result if result.writes else None

    def _handle_record(self, record: Record) -> None:
        if record.topic == self._names.control_topic:
            for control in notifier_tables.read_controls([record.value] if record.value else []):
                self._store.apply_control(control)
            return
        if record.topic == self._names.alerts_topic:
            alert = AlertView.from_record(record, self._clock())
            if alert is not None:
                self._store.add_alert(alert)
            return
        origin = self._names.parse_dead_topic(record.topic)
        if origin is not None and not settlement_record.is_settlement(record.headers):
            self._store.add_dead_letter(
                DeadLetterView.from_record(record, *origin, self._schema_lookup, self._clock())
            )

    def _advance_time(self, records: Sequence[Record], *, some_unread: bool = False) -> None:
        """Advance the store's time to now, if no earlier dead letter can be unread.

        `records` are those read since the last call. `some_unread` is True if more records are
        already fetched."""
        now = self._clock()
        now_ms = now.timestamp() * 1000
        limit = self._quiet_clock.old_before(now_ms)
        saw_old = some_unread or any(
            past_time_ms(record.timestamp, int(now_ms)) < limit for record in records
        )
        if self._quiet_clock.observe(now_ms, saw_old=saw_old):
            self._store.advance_time(now)

    def _take_finished_attempts(self) -> None:
        finished = dict(self._deliveries.take_finished())
        self._uncommitted_attempts |= finished
        self._apply_attempts(finished)

    def _apply_attempts(self, attempts: Mapping[bytes, AttemptResult]) -> None:
        for key, attempt in attempts.items():
            self._store.outbox.finish_attempt(key, attempt, self._clock())

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
                (self._names.incidents_topic, changes.incidents),
                (self._names.outbox_topic, changes.notices),
            )
            if rows
        }
        return BatchResult(settled, writes, (changes.to_send, tuple(self._uncommitted_attempts)))


def _row_value(row: BaseModel | None) -> bytes | None:
    """Return the value of a row's record; None, a tombstone, if the row is deleted."""
    return None if row is None else row.model_dump_json().encode()
