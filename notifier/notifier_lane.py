"""What does the notifier's lane do with dead letters, alerts, wishes, and when time passes?"""

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
from farandole.lanes.lane_port import StateTables
from farandole.lanes.lane_protocol import BatchResult
from farandole.notifier import notifier_tables
from farandole.notifier.alert_view import AlertView
from farandole.notifier.dead_letter_view import DeadLetterView, SchemaLookup
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.delivery_tasks import DeliveryTasks
from farandole.notifier.incident_store import IncidentChanges, IncidentStore

log = structlog.get_logger()

_HANDLING_SECONDS = 0.5  # seconds of handling in one transaction
_CALM_SECONDS = 2.0  # seconds without an old letter after which no letter is taken to be unread
_OLD_LETTER_SECONDS = 10.0  # seconds; of stages that keep failing, younger ones never cease to come
_DRAIN_SECONDS = 2.0  # seconds that attempts under way have when the lane ends


def utc_now() -> datetime:
    return datetime.now(UTC)


class NotifierLane:
    """`farandole.lanes.lane_protocol.Work` over every dead-letter topic, alerts and
    `farandole.control`."""

    def __init__(
        self,
        names: KafkaNames,
        casebook: IncidentStore,
        sending: DeliveryTasks,
        schemas: SchemaLookup,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._names = names
        self._casebook = casebook
        self._sending = sending
        self._schemas = schemas
        self._clock = clock
        self._calm_since: datetime | None = None
        self._unmarked: dict[bytes, AttemptResult] = {}
        """What came of attempts, and is not committed: a life that ends forgets nothing of it."""

    @property
    def deferred(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        self._calm_since = None
        names = self._names
        wishes = notifier_tables.read_controls(tables[names.control_topic].values())
        self._casebook.restored(
            notifier_tables.read_incidents(tables[names.incidents_topic]),
            notifier_tables.read_notices(tables[names.outbox_topic]),
            [wish for wish in wishes if isinstance(wish, MuteDocument)],
        )
        self._mark(self._unmarked)

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        ends = time.monotonic() + _HANDLING_SECONDS
        settled = 0
        for record in records:
            self._one(record)
            settled += 1
            if time.monotonic() >= ends:
                break
        self._pass(records, unread=settled < len(records))
        self._tend()
        return self._done(settled)

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Count it, and read nothing of it."""
        log.error("letter.unread", topic=record.topic, offset=record.offset, deaths=deaths)
        place = (record.topic, record.partition, record.offset, record.timestamp)
        self._one(UndecodableRecord(*place))
        self._tend()
        return self._done(1)

    def on_idle(self) -> BatchResult | None:
        self._pass(())
        self._tend()
        done = self._done(0)
        return done if done.writes else None

    def on_commit(self, done: BatchResult) -> None:
        to_send, marked = done.receipt
        for key in marked:
            del self._unmarked[key]
        for notice in to_send:
            self._casebook.sent(notice)
            self._sending.start(notice)

    async def close(self) -> BatchResult | None:
        await self._sending.end(_DRAIN_SECONDS)
        self._take_attempts()
        done = self._done(0)
        return done if done.writes else None

    def _one(self, record: Record) -> None:
        if record.topic == self._names.control_topic:
            for wish in notifier_tables.read_controls([record.value] if record.value else []):
                self._casebook.asked(wish)
            return
        if record.topic == self._names.alerts_topic:
            alarm = AlertView.read(record, self._clock())
            if alarm is not None:
                self._casebook.heard(alarm)
            return
        origin = self._names.parse_dead_topic(record.topic)
        if origin is not None and not settlement_record.is_settlement(record.headers):
            self._casebook.died(DeadLetterView.read(record, *origin, self._schemas, self._clock()))

    def _pass(self, records: Sequence[Record], *, unread: bool = False) -> None:
        """Time passes only where no letter of an earlier time can be expected."""
        at = self._clock()
        oldest = (at.timestamp() - _OLD_LETTER_SECONDS) * 1000
        if unread or any(record.timestamp < oldest for record in records):
            self._calm_since = None
            return
        self._calm_since = self._calm_since or at
        if (at - self._calm_since).total_seconds() >= _CALM_SECONDS:
            self._casebook.passed(at)

    def _take_attempts(self) -> None:
        ended = dict(self._sending.ended())
        self._unmarked |= ended
        self._mark(ended)

    def _mark(self, attempts: Mapping[bytes, AttemptResult]) -> None:
        for key, attempt in attempts.items():
            self._casebook.tried(key, attempt, self._clock())

    def _tend(self) -> None:
        self._take_attempts()
        self._casebook.due(self._clock())

    def _done(self, settled: int) -> BatchResult:
        changes = self._casebook.taken() or IncidentChanges({}, {}, ())
        writes = {
            Partition(topic, 0): [
                OutgoingRecord(key, _row_value(row)) for key, row in changed.items()
            ]
            for topic, changed in (
                (self._names.incidents_topic, changes.incidents),
                (self._names.outbox_topic, changes.notices),
            )
            if changed
        }
        return BatchResult(settled, writes, (changes.to_send, tuple(self._unmarked)))


def _row_value(row: BaseModel | None) -> bytes | None:
    return None if row is None else row.model_dump_json().encode()
