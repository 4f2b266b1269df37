"""What does a lane of the bookkeeper do with entries, and when time passes?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from farandole.events.alert_record import Alert
from farandole.events.alert_record import alert_to_record as outgoing_alert
from farandole.events.envelope import constant_headers
from farandole.events.header_codec import length_prefixed, make_header_block, varint_bytes
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.lane_port import StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.ledger import entry_validation, late_run_alerts
from farandole.ledger.run_fold import count_settled_events
from farandole.ledger.run_store import RunChange, RunStore
from farandole.ledger.stage_alerts import AlertCondition, AlertTracker

log = structlog.get_logger()

_CALM_MS = 2_000  # milliseconds without an old entry after which no old one is taken to be unread
_OLD_ENTRY_MS = 10_000  # milliseconds; of stages that are at work, younger ones never cease to come
_FOLD_SECONDS = 0.5  # seconds of folding in one transaction
_MAX_ROW_BYTES = 8 * 1024 * 1024  # bytes of rows in one transaction, nearly
_LOG_INTERVAL = 10.0  # seconds between two words about records that are no entries

POSITION_KEY = b"position"
_FIRING_PREFIX = b"firing/"  # before the key of an alert
_ID_HEADER = length_prefixed(b"ce_id")


def now_ms() -> int:
    """Milliseconds of the epoch."""
    return time.time_ns() // 1_000_000


class BookkeeperLane:
    """`farandole.lanes.lane_work.LaneWork` over partition `index` of `farandole.ledger`."""

    def __init__(
        self,
        names: KafkaNames,
        index: int,
        source: str,
        book: RunStore | None = None,
        clock: Callable[[], int] = now_ms,
        seen: Callable[[], Sequence[AlertCondition] | None] = lambda: None,
    ) -> None:
        """`source`: the `ce_source` of what it writes; `clock` gives milliseconds of the epoch;
        `seen` what stages are like, or None where that is not known anew: to be given to one lane
        alone."""
        self._into = Partition(names.runs_topic, index)
        self._state = Partition(names.bookkeeper_state_topic, index)
        self._alerts = Partition(names.alerts_topic, 0)
        self._source = source
        self._book = book or RunStore()
        self._clock = clock
        self._calm_since: int | None = None
        self._asked = 0
        self._oldest = 0
        """Of the entries of one batch, when the earliest was written."""
        self._firing: list[Alert] = []
        self._seen = seen
        self._watch = AlertTracker()
        self._unread = 0
        self._said = -_LOG_INTERVAL
        self._next = 0
        """The offset up to which (exclusive) everything is in the rows: a group's offsets expire
        when nobody is at work for a week, and to count entries twice is worse than to miss some."""

    @property
    def deferred(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        self._calm_since = None
        self._firing = []
        foreign = self._book.restored(tables[self._into.topic])
        if foreign:
            log.warning("books.foreign", topic=self._into.topic, rows=foreign)
        state = tables[self._state.topic]
        self._next = int(state.get(POSITION_KEY, b"0"))
        self._watch.restored(_restore_firing(state))
        self._seen()  # what was seen before another lane wrote is of then

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        ends = time.monotonic() + _FOLD_SECONDS
        settled = 0
        self._oldest = self._clock()
        for record in records:
            if record.offset >= self._next:
                self._one(record)
                self._next = record.offset + 1
            settled += 1
            if self._book.size >= _MAX_ROW_BYTES or time.monotonic() >= ends:
                break
        at = self._clock()
        if self._calm(at, old=self._oldest < at - _OLD_ENTRY_MS):
            # Entries of the last seconds may be unread: what was due before them is late.
            self._judge(at - _OLD_ENTRY_MS)
        return BatchResult(
            settled, self._writes(f"{record.topic}/{record.partition}/{record.offset}")
        )

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Its runs will never be complete: what it said of them is not known."""
        log.error("entry.unread", partition=record.partition, offset=record.offset, deaths=deaths)
        self._next = record.offset + 1
        return BatchResult(1, self._writes(""))

    def on_idle(self) -> BatchResult | None:
        at = self._clock()
        if self._calm(at):
            self._judge(at)  # all is read: what is not complete now is late, and not just unread
        writes = self._writes(f"{self._into.topic}/{self._into.partition}/{at}")
        return BatchResult(0, writes) if writes[self._into] or writes[self._alerts] else None

    def on_commit(self, done: BatchResult) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None

    def _calm(self, at: int, *, old: bool = False) -> bool:
        """Can no entry be expected but those of now? `old`: one of an earlier time was read."""
        asleep, self._asked = at - self._asked > _OLD_ENTRY_MS, at  # the process, or its connection
        if old:
            self._calm_since = None
            return False
        if asleep or self._calm_since is None:
            self._calm_since = at
        return at - self._calm_since >= _CALM_MS

    def _judge(self, due: int) -> None:
        """Call those late that should have been complete before."""
        self._firing = [late_run_alerts.firing_alert(row) for row in self._book.late(due)]

    def _one(self, record: Record) -> None:
        entry = entry_validation.parse_entry(record.value)
        if entry is None:
            self._pass_over(record)
            return
        self._oldest = min(self._oldest, entry["at"])
        events = count_settled_events(entry)
        for each in entry["runs"]:
            self._book.add(each, entry, events)

    def _pass_over(self, record: Record) -> None:
        self._unread += 1
        at = time.monotonic()
        if at - self._said >= _LOG_INTERVAL:
            log.warning(
                "entry.foreign",
                partition=record.partition,
                offset=record.offset,
                records=self._unread,
            )
            self._said, self._unread = at, 0

    def _writes(self, cause: str) -> dict[Partition, list[OutgoingRecord]]:
        at = self._clock()
        changes = self._book.taken(at)
        written = datetime.fromtimestamp(at / 1000, UTC)
        heads = {
            what: make_header_block(constant_headers(self._source, f"run.{what}", written))
            for what in {change.what for change in changes}
            if what is not None
        }
        id_ = f"{cause}/".encode()

        def outgoing(change: RunChange) -> OutgoingRecord:
            if change.what is None:
                return OutgoingRecord(change.run, None)
            count, head = heads[change.what]
            return OutgoingRecord(
                change.run,
                change.row,
                varint_bytes(count + 1) + head + _ID_HEADER + length_prefixed(id_ + change.run),
            )

        seen = self._seen()
        news = [] if seen is None else self._watch.judged(seen, at)
        told = [
            *self._firing,
            *map(late_run_alerts.resolved_alert, self._book.no_more_late()),
            *news,
        ]
        self._firing = []
        return {
            self._into: [outgoing(change) for change in changes],
            self._alerts: [
                outgoing_alert(alert, self._source, id_ + alert.key.encode(), written)
                for alert in told
            ],
            self._state: [
                OutgoingRecord(POSITION_KEY, b"%d" % self._next),
                *map(_firing_record, news),
            ],
        }


def _firing_record(alert: Alert) -> OutgoingRecord:
    """As the lane's state: what fires."""
    firing = alert.model_dump_json().encode() if alert.state == "firing" else None
    return OutgoingRecord(_FIRING_PREFIX + alert.key.encode(), firing)


def _restore_firing(state: Mapping[bytes, bytes]) -> list[Alert]:
    found = []
    for key, value in state.items():
        if key.startswith(_FIRING_PREFIX):
            try:
                found.append(Alert.model_validate_json(value))
            except ValidationError:
                log.warning("state.foreign", key=key.decode(errors="backslashreplace"))
    return found
