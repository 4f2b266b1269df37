"""What does a lane of the bookkeeper do with ledger entries, and what as time passes?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from farandole.events.alert_record import Alert, parse_alert
from farandole.events.alert_record import alert_to_record as outgoing_alert
from farandole.events.envelope import constant_headers
from farandole.events.header_codec import length_prefixed, make_header_block, varint_bytes
from farandole.events.kafka_names import KafkaNames
from farandole.events.next_step import CommandLine, plain_command_line
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.lane_port import StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.ledger import entry_validation, late_run_alerts
from farandole.ledger.alert_tracker import AlertTracker
from farandole.ledger.run_fold import count_settled_events
from farandole.ledger.run_store import RunChange, RunStore
from farandole.ledger.stage_alerts import AlertCondition

log = structlog.get_logger()

_FOLD_SECONDS = 0.5  # the longest time of folding in one transaction
_MAX_ROW_BYTES = 8 * 1024 * 1024  # approximate limit of the rows in one transaction
_LOG_INTERVAL = 10.0  # seconds between two log lines about foreign records

POSITION_KEY = b"position"
FIRING_PREFIX = b"firing/"  # before the key of an alert in the lane's state
_ID_HEADER = length_prefixed(b"ce_id")


def now_ms() -> int:
    """Return the time in milliseconds of the epoch."""
    return time.time_ns() // 1_000_000


class BookkeeperLane:
    """The `farandole.lanes.lane_work.LaneWork` over partition `index` of `farandole.ledger`.

    It folds entries into run rows, marks late runs, and writes rows and alerts in the transaction
    that commits the entries' offsets."""

    def __init__(
        self,
        names: KafkaNames,
        index: int,
        source: str,
        store: RunStore | None = None,
        clock: Callable[[], int] = now_ms,
        take_conditions: Callable[[], Sequence[AlertCondition] | None] = lambda: None,
        command_line: CommandLine = plain_command_line,
        *,
        read_age: Callable[[], float | None],
    ) -> None:
        """`source` is the `ce_source` of what the lane writes; `clock` returns milliseconds of the
        epoch. `read_age` returns how many seconds ago the ledger had been read to its end; None if
        entries are unread. `take_conditions` returns the newest conditions of all stages, None if
        there are none since its last call; only one lane of the installation may have it.
        `command_line` writes the commands in the alerts' texts."""
        self._runs = Partition(names.runs_topic, index)
        self._state = Partition(names.bookkeeper_state_topic, index)
        self._alerts = Partition(names.alerts_topic, 0)
        self._source = source
        self._store = store or RunStore()
        self._clock = clock
        self._read_age = read_age
        self._new_alerts: list[Alert] = []
        self._take_conditions = take_conditions
        self._alert_tracker = AlertTracker(command_line)
        self._foreign_count = 0
        self._last_logged = -_LOG_INTERVAL
        self._position = 0
        """The offset up to which (exclusive) all entries are folded into the rows. The lane's state
        contains it as well, because a group's offsets expire if no bookkeeper runs for a week, and
        it is worse to count entries twice than to miss some."""

    @property
    def deferred(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        self._new_alerts = []
        foreign = self._store.restore(tables[self._runs.topic])
        if foreign:
            log.warning("books.foreign", topic=self._runs.topic, rows=foreign)
        state = tables[self._state.topic]
        self._position = _restore_position(state)
        self._alert_tracker.restore(_restore_firing(state))
        self._take_conditions()  # discarded, because they are older than the state

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        ends = time.monotonic() + _FOLD_SECONDS
        settled = 0
        for record in records:
            if record.offset >= self._position:
                self._fold_record(record)
                self._position = record.offset + 1
            settled += 1
            if self._store.changed_bytes >= _MAX_ROW_BYTES or time.monotonic() >= ends:
                break
        if settled == len(records):
            self._mark_late_runs()
        return BatchResult(
            settled, self._writes(f"{record.topic}/{record.partition}/{record.offset}")
        )

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Skip an entry that ended the lane `deaths` times. Its runs will never be complete,
        because the entry's counts are missing."""
        log.error("entry.unread", partition=record.partition, offset=record.offset, deaths=deaths)
        self._position = record.offset + 1
        return BatchResult(1, self._writes(""))

    def on_idle(self) -> BatchResult | None:
        self._mark_late_runs()
        writes = self._writes(f"{self._runs.topic}/{self._runs.partition}/{self._clock()}")
        return BatchResult(0, writes) if writes[self._runs] or writes[self._alerts] else None

    def on_commit(self, done: BatchResult) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None

    def _mark_late_runs(self) -> None:
        """Mark the runs as late that should have been complete when everything was read, if nothing
        is unread now. The times in entries play no part: they are of other machines' clocks."""
        age = self._read_age()
        if age is None:
            return
        due = self._clock() - int(age * 1000)
        self._new_alerts = [late_run_alerts.firing_alert(row) for row in self._store.mark_late(due)]

    def _fold_record(self, record: Record) -> None:
        """Fold the entry in a record into its runs; count the record if it is not an entry."""
        entry = entry_validation.parse_entry(record.value, lambda: self._count_foreign(record))
        if entry is None:
            self._count_foreign(record)
            return
        events = count_settled_events(entry)
        for each in entry["runs"]:
            self._store.apply_part(each, entry, events)

    def _count_foreign(self, record: Record) -> None:
        """Count a record, or a part of one, that is not valid, and log the count from time to
        time."""
        self._foreign_count += 1
        at = time.monotonic()
        if at - self._last_logged >= _LOG_INTERVAL:
            log.warning(
                "entry.foreign",
                partition=record.partition,
                offset=record.offset,
                records=self._foreign_count,
            )
            self._last_logged, self._foreign_count = at, 0

    def _writes(self, cause: str) -> dict[Partition, list[OutgoingRecord]]:
        """Return the rows, alerts and state to commit. The ids of the events begin with `cause`."""
        at = self._clock()
        changes = self._store.take_changes(at)
        written = datetime.fromtimestamp(at / 1000, UTC)
        blocks = {
            transition: make_header_block(
                constant_headers(self._source, f"run.{transition}", written)
            )
            for transition in {change.transition for change in changes}
            if transition is not None
        }
        id_ = f"{cause}/".encode()

        def outgoing(change: RunChange) -> OutgoingRecord:
            if change.transition is None:
                return OutgoingRecord(change.run, None)
            count, block = blocks[change.transition]
            return OutgoingRecord(
                change.run,
                change.row,
                varint_bytes(count + 1) + block + _ID_HEADER + length_prefixed(id_ + change.run),
            )

        conditions = self._take_conditions()
        stage_alerts = [] if conditions is None else self._alert_tracker.update(conditions, at)
        alerts = [
            *self._new_alerts,
            *map(late_run_alerts.resolved_alert, self._store.take_no_longer_late()),
            *stage_alerts,
        ]
        self._new_alerts = []
        return {
            self._runs: [outgoing(change) for change in changes],
            self._alerts: [
                outgoing_alert(alert, self._source, id_ + alert.key.encode(), written)
                for alert in alerts
            ],
            self._state: [
                OutgoingRecord(POSITION_KEY, b"%d" % self._position),
                *map(_firing_record, stage_alerts),
            ],
        }


def _restore_position(state: Mapping[bytes, bytes]) -> int:
    """Return the position in the lane's state. 0 if it has none that a bookkeeper wrote: then the
    committed offset alone says what is folded."""
    position = state.get(POSITION_KEY, b"0")
    if position.isdigit() and len(position) < 20:
        return int(position)
    log.warning("state.foreign", key=POSITION_KEY.decode())
    return 0


def _firing_record(alert: Alert) -> OutgoingRecord:
    """Return the row of an alert in the lane's state; a tombstone once it is resolved."""
    firing = alert.model_dump_json().encode() if alert.state == "firing" else None
    return OutgoingRecord(FIRING_PREFIX + alert.key.encode(), firing)


def _restore_firing(state: Mapping[bytes, bytes]) -> list[Alert]:
    found = []
    for key, value in state.items():
        if key.startswith(FIRING_PREFIX):
            try:
                alert = parse_alert(value)
                if key != FIRING_PREFIX + alert.key.encode():
                    raise ValueError("the alert has another key")
            except ValueError:  # pydantic's ValidationError is one
                log.warning("state.foreign", key=key.decode(errors="backslashreplace"))
            else:
                found.append(alert)
    return found
